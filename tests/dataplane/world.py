"""A cluster whose pods serve real HTTP, a controller that steers it, and users who never stop asking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rollouts.kube.refs import CRD, POD
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.kubelet.kubelet import Timing
from rollouts.sandbox.manifests import create, manifest
from tests.dataplane.client import Connection, Seen, ask
from tests.dataplane.planes import HOST, Door, Plane
from tests.make import pause, weight
from tests.stories.objects import rollout, service
from tests.stories.stage import Stage, image_of_pod

PODS = 4
SHARES = (20, 60)
PACE = Timing(start_delay=0.1, stop_delay=1.0)
"""A pod that is to go has a second until it closes: so long users may still be sent to it."""
_USERS = 4
_BREATH = 0.005
"""Seconds between the requests of a user."""


class World:
    """What is done and seen on one data plane. `seen` is what the users saw who asked all along."""

    def __init__(self, stage: Stage, plane: Plane, door: Door) -> None:
        self.stage, self.plane, self.door = stage, plane, door
        self.seen = Seen()
        self._users: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Version 1 is deployed, and users come."""
        canary = {"stableService": "stable", "canaryService": "canary", "trafficRouting": dict(self.plane.routing)}
        delays = {"scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1}
        steps = [step for share in SHARES for step in (weight(share), pause())]
        await create(self.stage.wire, [service("stable"), service("canary"), self.plane.route])
        await self.stage.apply(rollout(*steps, canary={**canary, **delays}, replicas=PODS, image=image(1)))
        await self.stage.reaches("Healthy")
        await self.door.settled()
        await self.all_answer_by(1)
        self._users = [asyncio.create_task(self._user()) for _ in range(_USERS)]

    async def end(self) -> None:
        for user in self._users:
            user.cancel()
        await asyncio.gather(*self._users, return_exceptions=True)

    async def _user(self) -> None:
        """A user opens a connection for each request: what goes wrong is not the end of an old connection."""
        connection = Connection(self.door.port, HOST, keep=False)
        try:
            while True:
                await connection.ask(self.seen)
                await asyncio.sleep(_BREATH)
        finally:
            await connection.close()

    async def measured(self, times: int, **headers: str) -> Seen:
        """What so many users in a hurry see of the shares of this moment."""
        await self.door.settled()
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return await ask(self.door.port, HOST, times, headers=lines, keep=self.door.keeps)

    async def release(self, version: int) -> None:
        """Set the image, and wait for the pause at the first share."""
        await self.stage.release(image(version))
        await self.stage.reaches_step(1)
        await self.stage.reaches("Paused", "CanaryPauseStep")

    async def all_answer_by(self, version: int) -> None:
        """Wait until no other pods are left; then everybody must meet this version."""
        await self.stage.until(lambda: {image_of_pod(pod) for pod in self.stage.all(POD)} == {image(version)})
        seen = await self.measured(200)
        assert (seen.versions, seen.failures) == ({tag(version): 200}, {})


def image(version: int) -> str:
    return f"shop:{tag(version)}"


def tag(version: int) -> str:
    return f"v{version}"


@asynccontextmanager
async def world(plane: Plane, folder: Path, **pods: Any) -> AsyncIterator[World]:
    """A world with version 1 at work; it ends with its users."""
    served = HttpPods()
    try:
        async with Stage(runtime=served, timing=PACE) as stage:
            for definition in manifest("gateway-api-crds"):
                await stage.wire.create(CRD, "", definition)
            async with plane.open(stage.wire, folder) as door:
                made = World(stage, plane, door)
                await made.begin()
                try:
                    yield made
                finally:
                    await made.end()
    finally:
        await served.close()
