"""What Prometheus is told of releases: the numbers that alerts and dashboards of Argo Rollouts are made of."""

from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import make
from tests.stories.objects import rollout
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual


def shown(stage: Stage, sample: str, label: str) -> Counter[str]:
    """The values of the samples of this name, by one of their labels; those of zero left out."""
    families = text_string_to_metric_families(stage.metrics.expose().decode())
    names = {sample, f"{sample}_total"}  # the parser adds what the names of these counters lack
    found = (each for family in families for each in family.samples if each.name in names)
    return Counter({each.labels[label]: int(each.value) for each in found if each.value})


async def test_a_spec_that_cannot_be_acted_on_is_an_error_each_time_that_it_is_looked_at() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20)))
        assert shown(stage, "rollout_reconcile_error", "name") == {}
        await stage.edit(strategy={"canary": {"maxSurge": 0, "maxUnavailable": 0}})
        await stage.reaches("Degraded")
        assert shown(stage, "rollout_reconcile_error", "name")["r"] >= 1
        assert shown(stage, "rollout_info", "phase") == {"InvalidSpec": 1}


async def test_every_update_is_counted_once_by_how_it_ended() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        for image in ("img:2", "img:3"):
            await stage.release(image)
            await stage.reaches("Paused")
            await stage.passes(20)
        await stage.abort()
        await stage.reaches("Degraded")
        await stage.passes(10)
        await stage.release("img:1")
        await stage.reaches("Healthy")
        await stage.release("img:4")
        await stage.reaches("Paused")
        await stage.promote(full=True)
        await stage.reaches("Healthy")
        ended = {"Promoted": 1, "Superseded": 1, "Aborted": 1, "FastPromoted": 1}
        for name in ("duration", "progression_duration", "manual_pause_duration"):
            assert shown(stage, f"rollout_{name}_seconds_count", "status") == ended
        assert shown(stage, "rollout_manual_pause_duration_seconds_sum", "status")["Superseded"] >= 20
