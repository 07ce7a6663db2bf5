"""What the bench prints, from a measurement made up here."""

import os

import pytest

from rollouts.sandbox.apiserver.server import Request
from rollouts.sandbox.bench import parse, report
from rollouts.sandbox.bench.calls import calls_of
from rollouts.sandbox.bench.course import Result
from rollouts.sandbox.bench.decisions import DecisionTime
from rollouts.sandbox.bench.fleet import ISTIO, PLAIN
from rollouts.sandbox.bench.usage import Unmeasurable, usage

MB = 1024 * 1024
CALLS = {"patch rollouts/status": 20, "create events": 8, "create replicasets": 2, "patch replicasets": 8}
LATENCIES = (0.4, 0.2, 0.1)
RESULT = Result(PLAIN, 2, CALLS, 0.08, resident=70 * MB, peak=80 * MB, arrived=2.5, window=9.0, latencies=LATENCIES)
QUICK = DecisionTime(0.0002, 0.0004, 20)


def values(result: Result) -> dict[str, tuple[float, bool]]:
    return {row.key: (round(row.value, 3), row.missed) for row in report.rows(result, QUICK)}


def test_numbers_are_per_rollout_and_compared_with_their_budgets() -> None:
    assert values(RESULT) == {
        "calls": (19.0, True),
        "status_patches": (10.0, True),
        "replica_set_writes": (5.0, False),
        "event_writes": (4.0, False),
        "cpu_ms": (40.0, True),
        "peak_mb": (80.0, False),
        "resident_mb": (70.0, False),
        "over_waits_s": (0.5, False),
        "step_p50_ms": (200.0, False),
        "step_p99_ms": (400.0, False),
        "decide_us": (200.0, False),
        "decide_longest_us": (400.0, False),
    }


def test_what_was_missed_is_said_in_the_end() -> None:
    rows = [("plain", 2, row) for row in report.rows(RESULT, QUICK)]
    assert report.verdict(rows).splitlines() == [
        "budgets missed:",
        "  plain x 2: API calls 19.0 > 18",
        "  plain x 2: status patches 10.0 > 7",
        "  plain x 2: controller CPU 40.0 > 30",
    ]
    assert report.verdict([("plain", 2, row) for row in report.rows(RESULT, QUICK) if not row.missed]) == (
        "every budget was held"
    )


def test_a_table_has_a_line_for_each_number_and_each_kind_of_call() -> None:
    lines = report.table(RESULT, report.rows(RESULT, QUICK)).splitlines()
    assert lines[0].split() == ["plain", "canary,", "2", "rollouts", "updated", "at", "once", "measured", "budget"]
    assert lines[1].split() == ["API", "calls", "19.0", "18", "missed"]
    assert lines[-1].split() == ["create", "replicasets", "1.00"]


def test_memory_budgets_grow_with_the_fleet() -> None:
    assert [report.memory_budget(size) for size in (1, 100, 101, 500, 2000)] == [95, 95, 130, 130, 130]


def test_only_calls_for_objects_of_the_controller_count() -> None:
    requests = {
        Request("controller", "patch", "rollouts", "status"): 3,
        Request("controller", "list", "rollouts", ""): 1,
        Request("controller", "watch", "rollouts", ""): 1,
        Request("controller", "update", "leases", ""): 9,
        Request("somebody", "patch", "rollouts", ""): 5,
    }
    assert dict(calls_of("controller", requests)) == {"patch rollouts/status": 3}


def test_the_command_line_chooses_sizes_and_cases() -> None:
    assert parse([]).sizes == (100,)
    assert parse([]).cases == (PLAIN, ISTIO)
    assert parse(["-n", "10", "500", "--istio"]).sizes == (10, 500)
    assert parse(["-n", "10", "--istio"]).cases == (ISTIO,)


@pytest.mark.parametrize("argv", [["-n", "0"], ["-n", "many"], ["--plain", "--istio"], ["--deployments"]])
def test_a_command_line_that_makes_no_sense_is_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(argv)
    assert refused.value.code == 2


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the bench reads /proc, which only Linux has")
def test_a_process_tells_what_it_has_used() -> None:
    own = usage(os.getpid())
    assert own.cpu > 0
    assert own.peak >= own.resident > MB


def test_a_process_that_is_not_there_cannot_be_measured() -> None:
    with pytest.raises(Unmeasurable, match="needs Linux"):
        usage(2**22 + 1)
