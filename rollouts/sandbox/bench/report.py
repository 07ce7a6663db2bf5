"""Pure. What was measured, beside what was budgeted: rows, a table of them, and the same as plain data."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rollouts.sandbox.bench.analysis import Judged
from rollouts.sandbox.bench.calls import status_patches, writes_of
from rollouts.sandbox.bench.course import Result
from rollouts.sandbox.bench.decisions import DecisionTime
from rollouts.sandbox.bench.deployments import Rolled
from rollouts.sandbox.bench.fleet import PLAIN
from rollouts.sandbox.bench.latency import percentile
from rollouts.sandbox.bench.standing import Standing

_MB = 1024 * 1024
DECISION = 500.0
"""Microseconds that a decision may take."""
UPDATED_IN = {1: 1.4, 100: 8.0 - PLAIN.waits, 500: 45.0 - PLAIN.waits}
"""Seconds beyond the waits in which as many plain Rollouts are Healthy again, on a real API server."""
MEMORY = ((100, 95.0), (500, 130.0))
"""Megabytes that the controller may hold with so many Rollouts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number. `budget` is None for what is told without being promised."""

    key: str
    title: str
    value: float
    unit: str = ""
    budget: float | None = None

    @property
    def missed(self) -> bool:
        return self.budget is not None and self.value > self.budget

    def __str__(self) -> str:
        budget = "" if self.budget is None else f"{self.budget:g}"
        verdict = "" if self.budget is None else "missed" if self.missed else "held"
        return f"  {self.title:<44} {self.value:>9.1f} {self.unit:<3} {budget:>7}  {verdict}".rstrip()


def rows(result: Result, decisions: DecisionTime, *, real: bool = False) -> list[Row]:
    """The numbers of a case: per updated Rollout, but for memory, time and decisions. `real`: measured on a real API
    server, for which times are promised too."""
    calls = per_rollout(result)
    plain = result.case is PLAIN
    found = [Row("calls", "API calls", sum(calls.values()), budget=18 if plain else 26)]
    parts = (
        ("status_patches", "status patches", status_patches(calls), 7),
        ("replica_set_writes", "ReplicaSet writes", writes_of("replicasets", calls), 6),
        ("event_writes", "Event writes", writes_of("events", calls), 5),
    )
    found += [Row(key, f"  {title}", value, budget=budget if plain else None) for key, title, value, budget in parts]
    late = result.arrived - result.case.waits
    promised = UPDATED_IN.get(result.rollouts) if real and plain else None
    found += [
        Row("cpu_ms", "controller CPU", result.cpu / result.rollouts * 1000, "ms", 30 if plain else 45),
        Row("peak_mb", "resident memory, at most", result.peak / _MB, "MB", memory_budget(result.rollouts)),
        Row("resident_mb", "resident memory, in the end", result.resident / _MB, "MB"),
        Row("over_waits_s", "last Healthy, beyond what the steps wait", late, "s", promised),
        Row("step_p50_ms", "a step beyond its wait, median", percentile(result.latencies, 50) * 1000, "ms"),
        Row("step_p99_ms", "a step beyond its wait, 99 of 100", percentile(result.latencies, 99) * 1000, "ms"),
        Row("decide_us", "a decision, on average", decisions.mean * 1e6, "us", DECISION),
        Row("decide_longest_us", "a decision, at most", decisions.longest * 1e6, "us", DECISION),
    ]
    found += [
        Row(f"cpu_ms_{name}", f"CPU of {name}", spent / result.rollouts * 1000, "ms")
        for name, spent in result.surroundings.items()
    ]
    return found


def per_rollout(result: Result) -> dict[str, float]:
    """Calls per updated Rollout, the most frequent first."""
    ordered = sorted(result.calls.items(), key=lambda item: (-item[1], item[0]))
    return {call: number / result.rollouts for call, number in ordered}


def memory_budget(size: int) -> float:
    """Megabytes for so many Rollouts: the smallest budget that was set for as many, or the largest."""
    return next((limit for count, limit in MEMORY if size <= count), MEMORY[-1][1])


def table(result: Result, measured: Iterable[Row]) -> str:
    """The rows as text, and the calls one by one."""
    head = f"{result.case.title}, {result.rollouts} rollouts updated at once"
    lines = [f"{head:<46} {'measured':>9}      {'budget':>6}", *map(str, measured), "  calls one by one"]
    lines += [f"    {call:<42} {number:>9.2f}" for call, number in per_rollout(result).items()]
    return "\n".join(lines)


def data(result: Result, measured: Iterable[Row]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "case": result.case.name,
        "rollouts": result.rollouts,
        "window_s": round(result.window, 2),
        "measured": _plainly(measured),
        "calls": {call: round(number, 3) for call, number in per_rollout(result).items()},
    }


def standing_rows(result: Standing) -> list[Row]:
    """The numbers of Rollouts without pods, with the budgets that were set for 2,000 of them."""
    return [
        Row("healthy_s", "all Healthy, from the start of the controller", result.arrived, "s", 22),
        Row("cpu_s", "controller CPU until rest", result.cpu, "s", 12),
        Row("resident_mb", "resident memory, in the end", result.resident / _MB, "MB", 170),
        Row("peak_mb", "resident memory, at most", result.peak / _MB, "MB"),
        Row("idle_ms", "CPU in a minute of rest", result.idle * 1000, "ms", 300),
    ]


def standing_table(result: Standing) -> str:
    """The same as text."""
    head = f"{result.rollouts} rollouts without pods"
    return "\n".join([f"{head:<46} {'measured':>9}      {'budget':>6}", *map(str, standing_rows(result))])


def standing_data(result: Standing) -> dict[str, Any]:
    """The same for programs."""
    return {"case": "standing", "rollouts": result.rollouts, "measured": _plainly(standing_rows(result))}


def rolled_rows(result: Rolled) -> list[Row]:
    """The numbers of Deployments that Kubernetes rolled: nothing is promised of them."""
    spent = result.surroundings
    return [
        Row("rolled_s", "last one rolled", result.arrived, "s"),
        *(Row(f"cpu_ms_{name}", f"CPU of {name}", spent[name] / result.deployments * 1000, "ms") for name in spent),
        Row("cpu_ms", "CPU of all of them", sum(spent.values()) / result.deployments * 1000, "ms"),
    ]


def rolled_table(result: Rolled) -> str:
    """The same as text."""
    head = f"{result.deployments} Deployments updated at once"
    return "\n".join([f"{head:<46} {'measured':>9}", *map(str, rolled_rows(result))])


def rolled_data(result: Rolled) -> dict[str, Any]:
    """The same for programs."""
    return {"case": "deployments", "deployments": result.deployments, "measured": _plainly(rolled_rows(result))}


def judged_rows(result: Judged) -> list[Row]:
    """The numbers of many AnalysisRuns, with the budgets that were set for 1,000 of them."""
    late = [seconds * 1000 for seconds in result.late]
    return [
        Row("measured_per_s", "measurements each second", len(late) / result.window),
        Row("late_p50_ms", "a measurement after it is due, median", percentile(late, 50), "ms"),
        Row("late_p99_ms", "a measurement after it is due, 99 of 100", percentile(late, 99), "ms", 200),
        Row("late_most_ms", "a measurement after it is due, at most", max(late), "ms"),
        Row("early_most_ms", "a measurement before it is due, at most", max(0.0, -min(late)), "ms", 200),
        Row("cpu_ms", "controller CPU for each measurement", result.cpu / max(1, len(late)) * 1000, "ms"),
        Row("busy", "controller CPU, of one processor", result.cpu / result.window * 100, "%", 100),
        Row("resident_mb", "resident memory, in the end", result.resident / _MB, "MB"),
    ]


def judged_table(result: Judged) -> str:
    """The same as text."""
    head = f"{result.runs} AnalysisRuns with an interval of 1 s"
    return "\n".join([f"{head:<46} {'measured':>9}      {'budget':>6}", *map(str, judged_rows(result))])


def judged_data(result: Judged) -> dict[str, Any]:
    """The same for programs."""
    return {"case": "analysis", "runs": result.runs, "measured": _plainly(judged_rows(result))}


def _plainly(measured: Iterable[Row]) -> list[dict[str, Any]]:
    return [
        {"key": row.key, "value": round(row.value, 3), "unit": row.unit, "budget": row.budget, "missed": row.missed}
        for row in measured
    ]


def verdict(measured: Iterable[tuple[str, int, Row]]) -> str:
    """One line: every budget held, or which were missed by how much."""
    missed = [
        f"{case} x {size}: {row.title.strip()} {row.value:.1f} > {row.budget:g}"
        for case, size, row in measured
        if row.missed and row.budget is not None
    ]
    return "\n".join(["budgets missed:", *(f"  {line}" for line in missed)]) if missed else "every budget was held"
