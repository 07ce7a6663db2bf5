"""`rollouts bench`: what the update of a Rollout costs in API calls, processor time and memory, beside the budgets.

A number of Rollouts with 4 replicas each are deployed in a sandbox and updated all at once. The sandbox serves the
Kubernetes API over HTTP from this process; the controller runs in a process of its own, with its usual flags.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop

from rollouts.sandbox.bench import report
from rollouts.sandbox.bench.course import Result, Stalled, measure
from rollouts.sandbox.bench.decisions import decision_time
from rollouts.sandbox.bench.fleet import ISTIO, PLAIN, Case
from rollouts.sandbox.bench.story import tell
from rollouts.sandbox.bench.usage import Unmeasurable
from rollouts.sandbox.demo.process import ControllerFailed


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and where to write it as JSON (`-`: to standard output, in place of the tables)."""

    sizes: tuple[int, ...]
    cases: tuple[Case, ...]
    json: str
    strict: bool


def run(argv: Sequence[str]) -> int:
    """`rollouts bench ARGV`; the exit code: 0 when it was measured (with --strict: and every budget held), else 1."""
    options = parse(argv)
    # Logs of the sandbox, which shares this process: only what went wrong.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    quiet = options.json == "-"
    rows: list[tuple[Case, int, report.Row]] = []
    measured = []
    failed = False
    try:
        for case in options.cases:
            decisions = decision_time(tell(case).worlds)
            for size in options.sizes:
                result = _measured(case, size)
                found = report.rows(result, decisions)
                rows += [(case, size, row) for row in found]
                measured.append(report.data(result, found))
                if not quiet:
                    print(f"{report.table(result, found)}\n", flush=True)
    except* (Stalled, ControllerFailed, Unmeasurable) as errors:  # a group, where the cluster's tasks ended with it
        print(f"Error: {_innermost(errors)}", file=sys.stderr)
        failed = True
    if failed:
        return 1
    _write(options.json, json.dumps({"machine": _machine(), "results": measured}, indent=2))
    if not quiet:
        print(report.verdict(rows))
    return 1 if options.strict and any(row.missed for _, _, row in rows) else 0


def _measured(case: Case, size: int) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure(case, size))


def _innermost(errors: BaseException) -> BaseException:
    return _innermost(errors.exceptions[0]) if isinstance(errors, BaseExceptionGroup) else errors


def _write(where: str, text: str) -> None:
    if where == "-":
        print(text)
    elif where:
        Path(where).write_text(f"{text}\n", encoding="utf-8")


def _machine() -> dict[str, object]:
    return {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()}


def parse(argv: Sequence[str]) -> Options:
    """The options in a command line. Exits with 2 and usage on stderr when it cannot be read."""
    parser = argparse.ArgumentParser("rollouts bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("-n", type=_size, nargs="+", default=[100], help="how many Rollouts (default: 100)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--plain", action="store_true", help="only the plain canary")
    which.add_argument("--istio", action="store_true", help="only the canary with Istio and an analysis step")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there; -: only them, on stdout")
    parser.add_argument("--strict", action="store_true", help="fail when a budget is missed")
    read = parser.parse_args(argv)
    cases = (PLAIN,) if read.plain else (ISTIO,) if read.istio else (PLAIN, ISTIO)
    return Options(tuple(read.n), cases, read.json, read.strict)


def _size(text: str) -> int:
    size = int(text) if text.isdecimal() else 0
    if not 1 <= size <= 9999:
        raise argparse.ArgumentTypeError(f"{text}: must be a number from 1 to 9999")
    return size
