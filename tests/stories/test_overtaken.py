"""Somebody writes to a Rollout at the moment in which the controller does: both are heeded.

What they wrote comes with the answer to the controller's write; the watch tells of it later, as of something known.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rollouts.controller import WRITTEN_BY_PEOPLE
from rollouts.kube.refs import POD, ROLLOUT, Obj, name_of
from tests import make
from tests.stories.objects import rollout
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual


class Overtaker:
    """Does something right before the controller writes a status that holds nothing of what people write; the watch
    tells of it a second late."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch, deed: Callable[[], Awaitable[object]]) -> None:
        self._stage, self._deed = stage, deed
        self._write, self._hear = stage.line.patch, stage.controllers.caches.rollouts.put
        self.version = ""
        monkeypatch.setattr(stage.line, "patch", self._patch)
        monkeypatch.setattr(stage.controllers.caches.rollouts, "put", self._put)

    async def _patch(self, resource: Any, namespace: str, name: str, patch: Obj, **options: Any) -> Any:
        of_status = resource is ROLLOUT and options.get("subresource") == "status"
        if of_status and not self.version and not WRITTEN_BY_PEOPLE & patch["status"].keys():
            self.version = "comes"
            await self._deed()
            self.version = self._stage.rollout()["metadata"]["resourceVersion"]
        return await self._write(resource, namespace, name, patch, **options)

    def _put(self, obj: Obj) -> bool:
        if obj["metadata"]["resourceVersion"] == self.version:
            asyncio.get_running_loop().call_later(1, self._hear, obj)
            return False
        return self._hear(obj)


async def lose_a_pod(stage: Stage) -> None:
    await stage.wire.delete(POD, "default", name_of(stage.ready(app="r")[0]), grace_period=0)


async def test_a_new_image_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause(), script={"start-delay": "60s"}))
        await stage.passes(60)
        overtaker = Overtaker(stage, monkeypatch, lambda: stage.release("img:2"))
        await lose_a_pod(stage)
        await stage.until(lambda: "img:2" in stage.sizes(), limit=20)
        assert overtaker.version


async def test_an_abort_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause(), script={"start-delay": "60s"}))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.passes(60)
        overtaker = Overtaker(stage, monkeypatch, stage.abort)
        await lose_a_pod(stage)
        await stage.reaches("Degraded", "RolloutAborted", limit=20)  # before the lost pod is replaced
        assert overtaker.version
