"""`rollouts test`: templates are tried on answers that a file writes down."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rollouts.cli.flags import Parser

_ABOUT = """\
Tries AnalysisTemplates on answers that files write down (kind: AnalysisTest), without a cluster and without a network.

Runs go through the controller's own engine and providers, in virtual time: an hour of measurements takes
milliseconds. Templates are looked up among the same files and folders. The exit code is 1 when a test fails, and when
there is none. The format is described in docs/checks.md."""


def parser() -> Parser:
    root = Parser(prog="rollouts test", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    root.add_argument("paths", nargs="+", metavar="PATH", help="files or folders, of tests and of templates")
    root.add_argument("--junit", default="", metavar="FILE", help="write a report as JUnit XML, too")
    return root


def run(argv: Sequence[str]) -> int:
    """One command line; the exit code."""
    args = parser().parse_args(argv)
    from rollouts.analysistest import run_tests
    from rollouts.analysistest.junit import report
    from rollouts.lint.manifests import Unreadable

    try:
        outcomes = run_tests(args.paths)
        if args.junit:
            Path(args.junit).write_text(report(outcomes), encoding="utf-8")
    except (Unreadable, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if not outcomes:
        print("Error: there is no test (kind: AnalysisTest) in these files", file=sys.stderr)
        return 1
    failed = [one for one in outcomes if one.faults]
    for one in outcomes:
        print(f"{'FAIL' if one.faults else 'ok  '} {one.suite}: {one.name} ({one.took.total_seconds():g} s)")
        for fault in one.faults:
            print(f"       {one.path}:{one.line}: {fault}")
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed))
