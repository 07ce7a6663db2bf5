"""Somebody swaps the controller in the middle of everything: nothing is written, nothing begins anew, and it goes on.

`takeover` holds what a running Argo Rollouts left behind on a real API server when it was stopped: objects with their
statuses, each Rollout in another situation. Times are moved: it was stopped at the moment at which a test begins.
"""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.schema import format_time, parse_time
from rollouts.kube.refs import ANALYSIS_RUN, EXPERIMENT, JOB, REPLICA_SET, ROLLOUT, Obj
from rollouts.sandbox import clock
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

RECORDED = json.loads((Path(__file__).parent / "takeover" / "argo-rollouts-1.10.json").read_text())
INSTANCE = "--instance-id=argo-rollouts-e2e"
ROLLOUTS = sorted(obj["metadata"]["name"] for obj in RECORDED["objects"] if obj["kind"] == "Rollout")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_LONG = {"sandbox.rollouts.dev/run-time": "24h"}


def moved(obj: Obj, by: timedelta) -> Obj:
    """The object with its times moved."""
    text = _TIME.sub(lambda found: format_time(parse_time(found[0]) + by), json.dumps(obj))
    return dict(json.loads(text))


async def left_behind(stage: Stage) -> None:
    """Put everything in place as it was, and wait until its pods are up."""
    by = clock.now() - parse_time(RECORDED["at"])
    for each in RECORDED["objects"]:
        obj = moved(each, by)
        if obj["kind"] == "Job":
            obj["spec"]["template"]["metadata"].setdefault("annotations", {}).update(_LONG)
        group, _, version = obj["apiVersion"].rpartition("/")
        served = next(one for one in stage.server.registry if _is(one.resource, group, version, obj["kind"]))
        stage.server.store.put(served.key, obj)
    await stage.passes(5)


def _is(resource: Any, group: str, version: str, kind: str) -> bool:
    return bool((resource.group, resource.version, resource.kind) == (group, version, kind))


async def test_what_is_taken_over_is_left_as_it_is() -> None:
    async with Stage(INSTANCE, controller=False) as stage:
        await left_behind(stage)
        before = {rollout["metadata"]["name"]: rollout["status"] for rollout in stage.all(ROLLOUT)}
        sets = {each["metadata"]["name"] for each in stage.all(REPLICA_SET)}
        assert sorted(before) == ROLLOUTS
        stage.start()
        await stage.passes(20)
        after = {rollout["metadata"]["name"]: rollout["status"] for rollout in stage.all(ROLLOUT)}
        assert after == before
        assert {each["metadata"]["name"] for each in stage.all(REPLICA_SET)} == sets
        written = {(call.verb, call.resource) for call in stage.line.writes}
        assert written <= {("patch", EXPERIMENT), ("patch", ANALYSIS_RUN)}, "what measures goes on measuring"


@pytest.mark.parametrize("name", ROLLOUTS)
async def test_it_goes_on_to_its_end_with_the_replica_sets_that_are_there(name: str) -> None:
    async with Stage(INSTANCE, controller=False) as stage:
        await left_behind(stage)
        known = {each["metadata"]["name"] for each in stage.all(REPLICA_SET)}
        stage.start()
        await stage.passes(5)
        if stage.status(name).get("abort"):
            await stage.retry(name)
            await stage.passes(10)
        for _ in range(3):
            for job in stage.all(JOB):
                await stage.change(JOB, job["metadata"]["name"], SUCCEEDED, subresource="status")
            await stage.passes(10)
            await stage.promote(name)
        await stage.until(lambda: stage.phase(name)[0] == "Healthy")
        assert stage.status(name)["stableRS"] == stage.status(name)["currentPodHash"]
        made = {each["metadata"]["name"] for each in stage.all(REPLICA_SET)} - known
        assert made == set()


SUCCEEDED = {"status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}}
