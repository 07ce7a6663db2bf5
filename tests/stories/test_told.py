"""A Rollout that stands still says why, also where its status cannot."""

import pytest

from rollouts.kube.errors import Refused
from rollouts.kube.refs import EVENT, ROLLOUT
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from tests import make
from tests.stories.objects import istio, rollout
from tests.stories.stage import Stage
from tests.stories.test_faults import refusing

pytestmark = pytest.mark.virtual

STEPS = (make.weight(20), make.pause("10s"))


async def test_a_kind_that_the_controller_may_not_list_is_told_by_an_event() -> None:
    async with Stage() as stage:
        stage.line.faults.append(refusing(Refused("forbidden", code=403), "list", of=VIRTUAL_SERVICE))
        await stage.apply(*istio(*STEPS))
        await stage.until(lambda: any(each["reason"] == "ReconciliationError" for each in stage.all(EVENT)))
        why = "virtualservices could not be listed yet; may the controller list and watch them?"
        assert ("ReconciliationError", f"Reconciliation failed with error: {why}") in await stage.events()
        stage.line.faults.clear()
        await stage.reaches("Healthy")


async def test_a_status_that_may_not_be_written_is_told_by_an_event() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*STEPS))
        stage.line.faults.append(refusing(Refused("no", code=403), "patch", of=ROLLOUT, subresource="status"))
        await stage.release("img:2")
        await stage.until(lambda: any(each["reason"] == "ReconciliationError" for each in stage.all(EVENT)))
        told = "Reconciliation failed with error: the status cannot be written: no"
        assert ("ReconciliationError", told) in await stage.events()
        stage.line.faults.clear()
        await stage.reaches("Healthy")
