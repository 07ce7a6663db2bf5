"""What a metric needs before it may judge: asked for by an annotation, and without it nothing changes."""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from analysis.api import AnalysisRun, AnalysisTemplate, Argument, Measurement, Metric
from analysis.arguments import resolve_metrics
from analysis.asked import EVIDENCE, companions, fault, of_run, read
from analysis.asked.evidence import Evidence, shortage
from analysis.asked.lack import AskedError, Lack
from analysis.decide import decide, record
from analysis.expr.gotypes.values import FloatList
from analysis.measure import measure, resolve
from analysis.templates import validate_inline
from tests.analysis.canaries import SHARED, Canary, users_template, verdict
from tests.analysis.runs import NOON, E, F, I, R, S, metric
from tests.analysis.runs import run as run_of
from tests.analysis.served import Handler, always, context, in_turn, serving
from tests.analysis.test_prometheus import vector

COUNTED = {"samples": "sum(n)", "atLeast": 20, "longestWait": "10m"}


def annotation(name: str = "m", /, **fields: Any) -> dict[str, str]:
    return {EVIDENCE: json.dumps({name: fields})}


def asked(spec: Metric, **fields: Any) -> Evidence:
    one = read(annotation(spec.name, **fields), [spec])[spec.name]
    assert isinstance(one, Evidence)
    return one


# ── the annotation ──


def test_without_our_annotations_nothing_is_asked_for() -> None:
    assert read({"example.com/evidence": "x"}, [metric()]) == {}
    assert of_run([AnalysisTemplate.model_validate({"metadata": {"name": "t"}, "spec": {}})]) == {}


def test_it_is_read_as_yaml() -> None:
    text = 'm:\n  samples: sum(increase(http_requests_total{app="a"}[2m]))\n  atLeast: 20\n  longestWait: 1h30m\n'
    one = read({EVIDENCE: text}, [metric()])["m"]
    assert isinstance(one, Evidence)
    assert (one.samples, one.at_least) == ('sum(increase(http_requests_total{app="a"}[2m]))', 20)
    assert (one.too_few, one.no_data, one.after_wait) == (Lack.WAIT, None, Lack.INCONCLUSIVE)
    assert one.longest_wait == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("annotations", "text"),
    [
        ({"analysis.rollouts.dev/sequential": "{}"}, "annotation analysis.rollouts.dev/sequential is not known"),
        ({"analysis.rollouts.dev/Evidence": "{}"}, "annotation analysis.rollouts.dev/Evidence is not known"),
        ({EVIDENCE: "{"}, "is not YAML"),
        ({EVIDENCE: ""}, "must say of each metric"),
        ({EVIDENCE: "[]"}, "must say of each metric"),
        (annotation("n", nan="fail"), "metric 'n': there is none; the metrics are m"),
        (annotation(), "metric 'm': it asks for nothing"),
        (annotation(nan="ignore"), "metric 'm': nan: Input should be 'wait', 'inconclusive' or 'fail'"),
        (annotation(onNaN="wait"), "metric 'm': onNaN: Extra inputs are not permitted"),
        (annotation(nan="wait"), "longestWait is missing"),
        (annotation(**COUNTED | {"longestWait": "soon"}), 'longestWait: Value error, time: invalid duration "soon"'),
        (annotation(**COUNTED | {"longestWait": "0"}), "longer than nothing"),
        (annotation(**COUNTED | {"longestWait": 10}), 'a duration such as "10m" is wanted'),
        (annotation(**COUNTED | {"atLeast": "20"}), "atLeast: Input should be a valid integer"),
        (annotation(**COUNTED | {"atLeast": 0}), "atLeast: Input should be greater than 0"),
        (annotation(**COUNTED, afterWait="wait"), "afterWait: Input should be"),
        (annotation(atLeast=20, longestWait="1m"), "belong together"),
        (annotation(samples="n", longestWait="1m"), "belong together"),
        (annotation(tooFew="fail"), "tooFew means nothing"),
        (annotation(nan="fail", longestWait="1m"), "mean nothing where nothing waits"),
        (annotation(nan="fail", afterWait="fail"), "mean nothing where nothing waits"),
    ],
)
def test_what_cannot_be_acted_on_is_refused(annotations: dict[str, str], text: str) -> None:
    assert text in fault(annotations, [metric()])
    with pytest.raises(AskedError):
        read(annotations, [metric()])


@pytest.mark.parametrize(
    ("provider", "fields", "text"),
    [
        ({"job": {"spec": {"template": {}}}}, {"nan": "fail"}, "judges by itself"),
        ({"plugin": {"a/b": {}}}, {"nan": "fail"}, "judges by itself"),
        ({"web": {"url": "http://x"}}, COUNTED, "samples can be counted by Prometheus only"),
    ],
)
def test_what_a_provider_cannot_tell_is_refused(provider: Any, fields: Any, text: str) -> None:
    assert text in fault(annotation(**fields), [metric(provider=provider)])


def test_a_run_is_asked_for_what_all_its_templates_ask() -> None:
    templates = [
        AnalysisTemplate.model_validate(
            {"metadata": {"annotations": annotation(name, nan="fail")}, "spec": {"metrics": [metric(name).wire()]}}
        )
        for name in ("a", "b")
    ]
    assert json.loads(of_run(templates)[EVIDENCE]) == {"a": {"nan": "fail"}, "b": {"nan": "fail"}}


def test_a_query_for_samples_uses_declared_arguments_only() -> None:
    manifest = {
        "metadata": {"name": "t", "annotations": annotation(**COUNTED | {"samples": "n{{args.x}}"})},
        "spec": {"metrics": [metric().wire()]},
    }
    template = AnalysisTemplate.model_validate(manifest)
    assert [one.name for one in companions(template)] == ["m"]
    (found,) = validate_inline([template])
    assert "failed to resolve {{args.x}}" in found.text


def test_a_metric_named_by_an_argument_is_meant_by_its_name_as_written() -> None:
    name, args = "of-{{args.x}}", [Argument(name="x", value="api")]
    spec = metric(name)
    found = read(annotation(name, **COUNTED | {"samples": "n_{{args.x}}"}), [spec])
    resolved = resolve_metrics([spec], args, {}, found)
    (one,) = resolved.asked.items()
    assert (one[0], one[1].texts()) == ("of-api", {"samples": "n_api"})


# ── what is lacking ──


@pytest.mark.parametrize(
    ("fields", "result", "samples", "means"),
    [
        ({"noData": "fail"}, None, None, Lack.FAIL),
        ({"noData": "fail"}, FloatList(), None, Lack.FAIL),
        ({"noData": "fail"}, FloatList([math.nan]), None, None),
        ({"nan": "inconclusive"}, FloatList([1.0, math.nan]), None, Lack.INCONCLUSIVE),
        ({"nan": "inconclusive"}, math.nan, None, Lack.INCONCLUSIVE),
        ({"nan": "inconclusive"}, math.inf, None, None),
        (COUNTED, FloatList([1.0]), 19.99, Lack.WAIT),
        (COUNTED, FloatList([1.0]), 20.0, None),
        (COUNTED, FloatList([math.nan]), 0.0, Lack.WAIT),
        (COUNTED | {"nan": "fail"}, FloatList([math.nan]), 0.0, Lack.FAIL),
        (COUNTED | {"tooFew": "fail", "nan": "wait"}, FloatList([1.0]), 0.0, Lack.FAIL),
    ],
)
def test_an_answer_lacks(fields: Any, result: Any, samples: float | None, means: Lack | None) -> None:
    found = shortage(asked(metric(), **fields), result, samples)
    assert (found.means if found else None) is means


# ── over real HTTP, through the engine ──


def standing(moment: datetime) -> Callable[[], datetime]:
    """A clock that stands."""
    return lambda: moment


async def looks(annotations: dict[str, str], answer: Handler, *seconds: float, **fields: Any) -> AnalysisRun:
    """A run after it was looked at so many seconds after noon."""
    async with serving(answer) as server:
        provider = {"prometheus": {"address": server.url, "query": "q"}}
        spec = metric(provider=provider, successCondition="result[0] < 0.05", interval="30s", **fields)
        body = {"metadata": {"namespace": "ns", "uid": "u", "annotations": annotations}}
        run = AnalysisRun.model_validate(body | {"spec": {"metrics": [spec.wire()]}})
        for second in seconds:
            now = NOON + timedelta(seconds=second)
            async with context(run) as lent:
                resolved = await resolve(run, lent.secrets)
                tasks = decide(run, resolved, now).tasks
                assert tasks, f"nothing is due after {second}s: {resolved.error}"
                taken = await measure(tasks, resolved, replace(lent, now=standing(now)))
            run = run.model_copy(update={"status": record(run, resolved, taken, now).status})
        return run


def last(run: AnalysisRun) -> Measurement:
    return run.status.metric_results[0].measurements[-1]


async def test_too_few_samples_are_waited_for_without_counting() -> None:
    answer = in_turn(*map(always, (vector("5"), vector("0.5"), vector("12"), vector("0.5"))))
    run = await looks(annotation(**COUNTED), answer, 0, 30)
    assert last(run).message == "waiting for evidence: 12 samples of at least 20"
    assert (last(run).phase, last(run).value, last(run).metadata) == (R, "[0.5]", {"samples": "12"})
    assert last(run).resume_at == NOON + timedelta(seconds=60)
    result = run.status.metric_results[0]
    assert (result.count, result.failed, result.phase, len(result.measurements)) == (0, 0, R, 1)


async def test_enough_samples_are_judged_as_ever() -> None:
    answer = in_turn(*map(always, (vector("5"), vector("0.5"), vector("20"), vector("0.5"))))
    run = await looks(annotation(**COUNTED), answer, 0, 30)
    assert (last(run).phase, last(run).message, last(run).metadata) == (F, "", {"samples": "20"})
    assert run.status.phase is F
    assert last(run).started_at == NOON


@pytest.mark.parametrize(("after", "phase"), [("inconclusive", I), ("fail", F)])
async def test_the_longest_wait_ends_it(after: str, phase: str) -> None:
    run = await looks(annotation(nan="wait", longestWait="45s", afterWait=after), always(vector("NaN")), 0, 30, 45)
    assert (last(run).phase, last(run).message) == (phase, "waited 45s for evidence: NaN")
    assert (run.status.phase, last(run).resume_at) == (phase, None)


@pytest.mark.parametrize(("means", "phase"), [("inconclusive", I), ("fail", F)])
async def test_a_provider_that_is_down_means_what_was_asked(means: str, phase: str) -> None:
    run = await looks(annotation(error=means), always("", 503), 0)
    assert (last(run).phase, last(run).message) == (
        phase,
        "not enough evidence: server_error: server error: 503",
    )


async def test_a_provider_that_is_down_is_asked_again_after_ten_seconds() -> None:
    answer = in_turn(always("", 503), always(vector("0.01")))
    run = await looks(annotation(error="wait", longestWait="5m"), answer, 0)
    assert (last(run).phase, last(run).resume_at) == (R, NOON + timedelta(seconds=10))
    assert run.status.metric_results[0].error == 0


async def test_samples_that_cannot_be_counted_are_an_error() -> None:
    run = await looks(annotation(**COUNTED), always("", 503), 0)
    assert (last(run).phase, last(run).message) == (
        E,
        "could not count samples: server_error: server error: 503",
    )


async def test_a_stopped_run_does_not_wait() -> None:
    async def stopped() -> AnalysisRun:
        run = await looks(annotation(nan="wait", longestWait="1h"), always(vector("NaN")), 0)
        run = run.model_copy(update={"spec": run.spec.model_copy(update={"terminate": True})})
        async with context(run) as lent:
            resolved = await resolve(run, lent.secrets)
            taken = await measure(decide(run, resolved, NOON).tasks, resolved, lent)
        return run.model_copy(update={"status": record(run, resolved, taken, NOON).status})

    run = await stopped()
    assert (run.status.phase, run.status.message, last(run).message) == (S, "Run Terminated", "Metric Terminated")


async def test_a_run_with_an_annotation_nobody_knows_ends_in_error() -> None:
    run = AnalysisRun.model_validate(
        {"metadata": {"annotations": {"analysis.rollouts.dev/x": "1"}}, "spec": {"metrics": [metric().wire()]}}
    )
    async with context(run) as lent:
        resolved = await resolve(run, lent.secrets)
    assert resolved.error.startswith("Analysis spec invalid: annotation analysis.rollouts.dev/x is not known")
    assert decide(run, resolved, NOON).status.phase is E


# ── the users' own templates, on traffic drawn by chance ──

NO_NAN = "{0}: {{nan: wait, noData: wait, longestWait: 20m}}"
ENOUGH = "{0}: {{samples: n, atLeast: 100, nan: wait, noData: wait, longestWait: 10m}}"
TEMPLATES = ("success-rate", "latency-p99")
needs_manifests = pytest.mark.skipif(not SHARED.exists(), reason="the users' manifests lie beside the repository")


async def fates(name: str, evidence: str | None, a_minute: float, errors: float, canaries: int) -> Counter[str]:
    """What becomes of so many canaries that a template of the users watches for half an hour."""
    template, chance = users_template(name, evidence.format(name) if evidence else None), Random(20)
    drawn = [Canary(chance, a_minute, errors, 30) for _ in range(canaries)]
    async with context(run_of(metric())) as lent:
        return Counter([await verdict(template, canary, lent.http, 30) for canary in drawn])


@needs_manifests
@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(
    ("evidence", "least", "most"),
    [(None, 0.97, 1), (NO_NAN, 0.0, 0.06), (ENOUGH, 0, 0)],
    ids=["none", "no nan", "enough"],
)
async def test_healthy_canaries_at_half_a_request_a_minute_are_aborted(
    name: str, evidence: str | None, least: float, most: float
) -> None:
    found = await fates(name, evidence, 0.5, 0.001, 120)
    assert least <= (found[F] + found[E]) / 120 <= most


@needs_manifests
@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("evidence", [None, ENOUGH])
async def test_with_enough_traffic_evidence_changes_no_verdict(name: str, evidence: str | None) -> None:
    assert (await fates(name, evidence, 300, 0.0005, 20))[R] == 20
    assert (await fates(name, evidence, 300, 0.05, 20))[F] == 20
