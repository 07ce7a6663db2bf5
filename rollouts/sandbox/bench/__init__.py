"""`rollouts bench`: what the update of a Rollout costs in API calls, processor time and memory, beside the budgets.

A number of Rollouts with 4 replicas each are deployed in a sandbox and updated all at once. The sandbox serves the
Kubernetes API over HTTP from this process; the controller runs in a process of its own, with its usual flags.
With --cluster the API server is a real one, with etcd and kube-controller-manager, built by Go where it is not yet.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uvloop

from rollouts.sandbox.bench import analysis, cluster, deployments, report, standing
from rollouts.sandbox.bench.course import Stalled, measure
from rollouts.sandbox.bench.decisions import decision_time
from rollouts.sandbox.bench.environment import Environment, running
from rollouts.sandbox.bench.fleet import ISTIO, PLAIN, Case
from rollouts.sandbox.bench.story import tell
from rollouts.sandbox.bench.usage import Unmeasurable
from rollouts.sandbox.controlplane.binaries import Binaries, ControlPlaneMissing, find_or_build
from rollouts.sandbox.controlplane.processes import ProcessFailed
from rollouts.sandbox.demo.process import ControllerFailed

T = TypeVar("T")
_FAILURES = (Stalled, ControllerFailed, ProcessFailed, ControlPlaneMissing, Unmeasurable)


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and where to write it as JSON (`-`: to standard output, in place of the tables)."""

    sizes: tuple[int, ...]
    cases: tuple[Case, ...]
    json: str
    strict: bool
    cluster: bool = False
    standing: int = 0
    analysis: int = 0
    deployments: bool = False


def run(argv: Sequence[str]) -> int:
    """`rollouts bench ARGV`; the exit code: 0 when it was measured (with --strict: and every budget held), else 1."""
    options = parse(argv)
    # Logs of the sandbox, which shares this process: only what went wrong.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    quiet = options.json == "-"
    rows: list[tuple[str, int, report.Row]] = []
    measured = []
    failed = False
    try:
        for name, size, found, text, data in _results(options):
            rows += [(name, size, row) for row in found]
            measured.append(data)
            if not quiet:
                print(f"{text}\n", flush=True)
    except* _FAILURES as errors:  # a group, where the cluster's tasks ended with it
        print(f"Error: {_innermost(errors)}", file=sys.stderr)
        failed = True
    if failed:
        return 1
    _write(options.json, json.dumps({"machine": _machine(), "results": measured}, indent=2))
    if not quiet:
        print(report.verdict(rows))
    return 1 if options.strict and any(row.missed for _, _, row in rows) else 0


def _results(options: Options) -> Iterator[tuple[str, int, list[report.Row], str, dict[str, Any]]]:
    """What was measured, one after another: name, size, rows, and both as text and as plain data."""
    binaries = _binaries() if options.cluster else None

    def place(*, controller: bool = True) -> AbstractAsyncContextManager[Environment]:
        return cluster.running(binaries, controller=controller) if binaries else running(controller=controller)

    for case in options.cases:
        decisions = decision_time(tell(case).worlds)
        for size in options.sizes:
            result = _on_a_loop(measure(case, size, place()))
            found = report.rows(result, decisions, real=options.cluster)
            yield case.name, size, found, report.table(result, found), report.data(result, found)
    for size in options.sizes if options.deployments else ():
        assert binaries is not None  # it goes with --cluster only
        bare = cluster.running(binaries, controller=False, managers=[deployments.CONTROLLER])
        rolled = _on_a_loop(deployments.measure(size, bare))
        yield "deployments", size, report.rolled_rows(rolled), report.rolled_table(rolled), report.rolled_data(rolled)
    if options.analysis:
        judged = _on_a_loop(analysis.measure(options.analysis, place()))
        yield (
            "analysis",
            judged.runs,
            report.judged_rows(judged),
            report.judged_table(judged),
            report.judged_data(judged),
        )
    if options.standing:
        stood = _on_a_loop(standing.measure(options.standing, place(controller=False)))
        found = report.standing_rows(stood)
        yield "standing", stood.rollouts, found, report.standing_table(stood), report.standing_data(stood)


def _binaries() -> Binaries:
    module = Path("testenv").absolute()
    if not (module / "go.mod").is_file():
        raise ControlPlaneMissing(f"{module}/go.mod is not there: run --cluster in the folder of the sources")
    return find_or_build(module, Path(".cache/controlplane").absolute())


def _on_a_loop(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _innermost(errors: BaseException) -> BaseException:
    return _innermost(errors.exceptions[0]) if isinstance(errors, BaseExceptionGroup) else errors


def _write(where: str, text: str) -> None:
    if where == "-":
        print(text)
    elif where:
        Path(where).write_text(f"{text}\n", encoding="utf-8")


def _machine() -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def parse(argv: Sequence[str]) -> Options:
    """The options in a command line. Exits with 2 and usage on stderr when it cannot be read."""
    parser = argparse.ArgumentParser("rollouts bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("-n", type=_size, nargs="+", default=[100], help="how many Rollouts (default: 100)")
    parser.add_argument("--cluster", action="store_true", help="on a real API server; from the folder of the sources")
    parser.add_argument("--standing", type=_size, default=0, metavar="N", help="also N Rollouts that ask for no pods")
    parser.add_argument(
        "--analysis", type=_size, nargs="?", const=1000, default=0, metavar="N", help="instead N AnalysisRuns (1000)"
    )
    parser.add_argument(
        "--deployments", action="store_true", help="instead as many Deployments, by Kubernetes itself; with --cluster"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--plain", action="store_true", help="only the plain canary")
    which.add_argument("--istio", action="store_true", help="only the canary with Istio and an analysis step")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there; -: only them, on stdout")
    parser.add_argument("--strict", action="store_true", help="fail when a budget is missed")
    read = parser.parse_args(argv)
    if read.deployments and not read.cluster:
        parser.error("--deployments: the sandbox's Deployment controller is none to compare with; add --cluster")
    cases = (PLAIN,) if read.plain else (ISTIO,) if read.istio else (PLAIN, ISTIO)
    return Options(
        tuple(read.n),
        () if read.analysis or read.deployments else cases,
        read.json,
        read.strict,
        read.cluster,
        read.standing,
        read.analysis,
        read.deployments,
    )


def _size(text: str) -> int:
    size = int(text) if text.isdecimal() else 0
    if not 1 <= size <= 9999:
        raise argparse.ArgumentTypeError(f"{text}: must be a number from 1 to 9999")
    return size
