"""`rollouts lint`: manifests are judged before a cluster sees them."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rollouts.cli.flags import Parser

if TYPE_CHECKING:
    from rollouts.lint import Finding

_ABOUT = """\
Finds what is wrong with Rollouts, AnalysisTemplates and Experiments, or will go wrong, without a cluster.

Reads files and folders (*.yaml, *.yml, *.json; several documents to a file) as one set: templates and Services are
looked up among them. Prints `file:line: severity: text [rule]`. The exit code is 1 when there is an error."""


def parser() -> Parser:
    root = Parser(prog="rollouts lint", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    root.add_argument("paths", nargs="*", metavar="PATH", help="files or folders")
    root.add_argument("--format", choices=("text", "json"), default="text", help="how to print (default: text)")
    root.add_argument("--rules", action="store_true", help="list the rules instead")
    return root


def run(argv: Sequence[str]) -> int:
    """One command line; the exit code: 1 for an error in the manifests, or after `Error: …` on stderr."""
    args = parser().parse_args(argv)
    if args.rules:
        _list_rules()
        return 0
    if not args.paths:
        parser().error("name files or folders to lint")
    return _linted(args.paths, args.format)


def plugin(args: argparse.Namespace) -> int:
    """`kubectl argo rollouts lint -f FILE`: the same rules under the name that scripts know."""
    return _linted(args.files, "text")


def _linted(paths: Sequence[str], form: str) -> int:
    from rollouts.lint import Severity, lint
    from rollouts.lint.manifests import Unreadable

    try:
        findings = lint(paths)
    except Unreadable as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    _print_json(findings) if form == "json" else _print_text(findings)
    return int(any(finding.severity is Severity.ERROR for finding in findings))


def _print_json(findings: Sequence["Finding"]) -> None:
    print(json.dumps([asdict(finding) for finding in findings], indent=2))


def _print_text(findings: Sequence["Finding"]) -> None:
    for one in findings:
        print(f"{one.path}:{one.line}: {one.severity}: {one.message} [{one.rule}]")
    counts = Counter(finding.severity for finding in findings)
    if counts:
        print(", ".join(f"{count} {severity}" + "s" * (count > 1) for severity, count in sorted(counts.items())))


def _list_rules() -> None:
    from rollouts.lint.registry import RULES

    for rule in RULES.values():
        print(f"{rule.id} ({rule.severity})\n    {rule.about}")
