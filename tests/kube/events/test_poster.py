"""One note, one call; and words that are forgotten while they are counted up harm nobody."""

import asyncio
from typing import Any

import pytest

from rollouts.kube.events import poster
from rollouts.kube.events.manifest import reference_to
from rollouts.kube.events.poster import Poster
from rollouts.kube.refs import EVENT, Obj
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer
from tests.kube.events.test_note import note

pytestmark = pytest.mark.virtual

SHOP = reference_to({"kind": "Rollout", "metadata": {"name": "shop", "namespace": "default", "uid": "u1"}})


class SlowToPatch(ApiServer):
    async def patch(self, *args: Any, **options: Any) -> Obj:
        await asyncio.sleep(1)
        return await super().patch(*args, **options)


async def counts(server: ApiServer) -> dict[str, int]:
    return {event["message"]: event["count"] for event in (await server.list(EVENT)).items}


async def test_what_was_posted_before_is_counted_up() -> None:
    server = ApiServer(clock.now)
    posting = Poster(server, "test")
    for _ in range(3):
        await posting.post(SHOP, note("ScalingReplicaSet", "up"))
    await posting.post(SHOP, note("ScalingReplicaSet", "down"))
    assert await counts(server) == {"up": 3, "down": 1}


async def test_words_may_be_forgotten_while_they_are_counted_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster, "REMEMBERED", 1)
    server = SlowToPatch(clock.now)
    posting = Poster(server, "test")
    await posting.post(SHOP, note("ScalingReplicaSet", "up"))
    again = asyncio.create_task(posting.post(SHOP, note("ScalingReplicaSet", "up")))
    await asyncio.sleep(0.5)
    await posting.post(SHOP, note("ScalingReplicaSet", "down"))
    await again
    assert await counts(server) == {"up": 2, "down": 1}
