"""What the bench of many AnalysisRuns measures, and how it tells it."""

import httpx
import pytest

from rollouts.sandbox.bench import parse, report
from rollouts.sandbox.bench.analysis import Judged, run
from rollouts.sandbox.bench.questions import asked

MB = 1024 * 1024


def test_lateness_and_processor_time_are_compared_with_their_budgets() -> None:
    late = [0.01] * 98 + [-0.3, 0.25]
    judged = Judged(100, late, window=10.0, cpu=11.0, resident=90 * MB)
    assert {row.key: (round(row.value, 3), row.missed) for row in report.judged_rows(judged)} == {
        "measured_per_s": (10.0, False),
        "late_p50_ms": (10.0, False),
        "late_p99_ms": (10.0, False),
        "late_most_ms": (250.0, False),
        "early_most_ms": (300.0, True),
        "cpu_ms": (110.0, False),
        "busy": (110.0, True),
        "resident_mb": (90.0, False),
    }
    assert report.judged_table(judged).startswith("100 AnalysisRuns with an interval of 1 s")


def test_one_measurement_in_fifty_that_is_late_is_too_many() -> None:
    judged = Judged(100, [0.01] * 98 + [0.3] * 2, window=10.0, cpu=1.0, resident=MB)
    assert {row.key for row in report.judged_rows(judged) if row.missed} == {"late_p99_ms"}


def test_analyses_are_measured_instead_of_updates() -> None:
    options = parse(["--analysis"])
    assert (options.analysis, options.cases) == (1000, ())
    assert parse(["--analysis", "50"]).analysis == 50
    assert parse([]).analysis == 0
    with pytest.raises(SystemExit):
        parse(["--analysis", "none"])


def test_no_two_runs_ask_the_same() -> None:
    queries = {run(n, "http://p")["spec"]["metrics"][0]["provider"]["prometheus"]["query"] for n in range(20)}
    assert len(queries) == 20


async def test_who_is_asked_tells_how_long_each_question_stayed_away() -> None:
    async with asked() as url, httpx.AsyncClient() as client:
        for query in ("a", "b", "a", "a"):
            answer = await client.post(f"{url}/api/v1/query", data={"query": query, "time": "1"})
            assert answer.json()["data"]["result"][0]["value"][1] == "1"
        gaps = (await client.get(f"{url}/gaps")).json()
        assert len(gaps) == 2
        assert all(gap >= 0 for gap in gaps)
        assert (await client.get(f"{url}/gaps")).json() == []
