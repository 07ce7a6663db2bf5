"""Measuring: all tasks at once, with deadlines, and without secrets in what is stored."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from analysis.api import AnalysisPhase
from analysis.decide import TaskKind, decide, record
from analysis.measure import measure, resolve
from analysis.providers.registry import PROVIDERS, unsupported
from tests.analysis.runs import NOON, E, I, R, S, metric, result, run, status
from tests.analysis.served import KnownSecrets, always, context, serving, taken

TOKEN: dict[str, Any] = {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
SECRETS = KnownSecrets({("ns", "s"): {"k": b"hunter2"}})


async def test_a_whole_pass_from_the_run_to_its_new_status() -> None:
    answer = '{"status":"success","data":{"resultType":"scalar","result":[1,"0.99"]}}'
    async with serving(always(answer)) as server:
        spec = metric(successCondition="result > 0.9", provider={"prometheus": {"address": server.url, "query": "q"}})
        analysis = run(spec, metric("other", provider={"web": {"url": server.url, "jsonPath": "{$.status}"}}))
        async with context(analysis) as lent:
            resolved = await resolve(analysis, lent.secrets)
            due = decide(analysis, resolved, NOON)
            assert [(task.kind, task.name) for task in due.tasks] == [(TaskKind.START, "m"), (TaskKind.START, "other")]
            taken_ = await measure(due.tasks, resolved, lent)
        after = record(analysis, resolved, taken_, NOON)
    assert after.status.phase is S
    assert [one.measurements[0].value for one in after.status.metric_results] == ["0.99", '"success"']
    assert [event.reason for event in after.events] == ["MetricSuccessful", "MetricSuccessful", "AnalysisRunSuccessful"]


async def test_one_slow_metric_does_not_keep_the_others_from_being_asked() -> None:
    both = asyncio.Barrier(2)

    async def answer(request: web.Request) -> web.StreamResponse:
        await both.wait()
        return web.Response(text="{}")

    async with serving(answer) as server:
        analysis = run(*(metric(name, provider={"web": {"url": f"{server.url}/{name}"}}) for name in "ab"))
        async with context(analysis) as lent:
            resolved = await resolve(analysis, lent.secrets)
            taken_ = await measure(decide(analysis, resolved, NOON).tasks, resolved, lent)
    assert [one.measurement.phase for one in taken_] == [S, S]


async def test_secrets_are_in_no_text_that_is_stored() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text='{"status":"error","errorType":"bad_data","error":"hunter2 is bad"}', status=400)

    async with serving(answer) as server:
        provider = {"prometheus": {"address": server.url, "query": 'up{key="{{args.token}}"}'}}
        measurement, metadata = await taken(metric(provider=provider), SECRETS, args=[TOKEN])
    assert server.asked[0].form["query"] == 'up{key="hunter2"}'
    assert measurement.message == "bad_data: ***** is bad"
    assert metadata == {"ResolvedPrometheusQuery": 'up{key="*****"}'}


async def test_secrets_are_not_in_values_either() -> None:
    async with serving(always('{"echo": "Bearer hunter2"}')) as server:
        headers = [{"key": "Authorization", "value": "Bearer {{args.token}}"}]
        provider = {"web": {"url": server.url, "headers": headers, "jsonPath": "{$.echo}"}}
        measurement, _ = await taken(metric(provider=provider), SECRETS, args=[TOKEN])
    assert server.asked[0].headers["Authorization"] == "Bearer hunter2"
    assert measurement.value == '"Bearer *****"'


async def test_a_missing_secret_is_an_error_of_the_run() -> None:
    analysis = run(metric(), args=[TOKEN], status=status(result(count=1)))
    resolved = await resolve(analysis, KnownSecrets())
    refused = decide(analysis, resolved, NOON).status
    assert (refused.phase, refused.completed_at) == (E, None)
    assert refused.message == 'Unable to resolve metric arguments: secrets "s" not found'
    assert refused.metric_results == analysis.status.metric_results


async def test_a_missing_key_is_an_error_of_the_run() -> None:
    resolved = await resolve(run(metric(), args=[TOKEN]), KnownSecrets({("ns", "s"): {"other": b""}}))
    assert resolved.error == "Unable to resolve metric arguments: key 'k' does not exist in secret 's'"


async def test_a_cluster_out_of_reach_does_not_end_the_run() -> None:
    class OutOfReach:
        async def get(self, namespace: str, name: str) -> dict[str, bytes]:
            raise ConnectionError("no route")

    with pytest.raises(ConnectionError, match="no route"):
        await resolve(run(metric(), args=[TOKEN]), OutOfReach())


async def test_secrets_are_read_from_the_namespace_of_the_run_only() -> None:
    resolved = await resolve(run(metric(), args=[TOKEN]), KnownSecrets({("other", "s"): {"k": b"v"}}))
    assert resolved.error == 'Unable to resolve metric arguments: secrets "s" not found'


async def test_a_plugin_is_refused_by_name() -> None:
    plugin = metric(provider={"plugin": {"x": {}}})
    refusal = "provider plugin x is not supported: plugins of metrics are Go programs that only Argo Rollouts can run"
    assert unsupported([metric(), plugin]) == (f"metric 'm': {refusal}",)
    measurement, _ = await taken(plugin)
    assert measurement.phase is E
    assert measurement.message.startswith(f"{refusal}; use one of cloudWatch, datadog, ")


async def test_a_job_without_a_cluster_is_an_error() -> None:
    measurement, _ = await taken(metric(provider={"job": {"spec": {}}}))
    assert (measurement.phase, measurement.message) == (E, "a Job needs a cluster to run in, and there is none here")


async def test_a_measurement_that_a_crash_left_open_becomes_an_error() -> None:
    analysis = run(metric(provider={"web": {"url": "http://127.0.0.1:9"}}), status=status(result(last=R)))
    async with context(analysis) as lent:
        resolved = await resolve(analysis, lent.secrets)
        due = decide(analysis, resolved, NOON)
        assert [task.kind for task in due.tasks] == [TaskKind.RESUME]
        (one,) = await measure(due.tasks, resolved, lent)
    assert one.resumed
    assert (one.measurement.phase, one.measurement.message) == (E, "measurement was left unfinished")
    after = record(analysis, resolved, [one], NOON).status.metric_results[0]
    assert (len(after.measurements), after.error) == (1, 1)


async def test_every_known_provider_is_a_field_of_the_api() -> None:
    fields = {info.alias or name for name, info in type(metric().provider).model_fields.items()}
    assert set(PROVIDERS) == fields - {"plugin"}
    assert I is AnalysisPhase.INCONCLUSIVE
