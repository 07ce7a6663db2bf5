"""Users meet each version in the share of its weight, and no request fails while a Rollout moves: on real HTTP.

Pods are HTTP servers, and what they are reached through is a real nginx, or the sandbox's gateway, driven by what the
controller wrote. Users never stop asking; each of their requests is sent once, on a connection of its own.
"""

from pathlib import Path

import pytest

from tests.dataplane.nginx import binary
from tests.dataplane.planes import GATEWAY, INGRESS, ISTIO, NGINX, Plane
from tests.dataplane.world import SHARES, World, tag, world

REQUESTS = 20_000
TOLERANCE = 2.0
"""Percentage points."""

needs_nginx = pytest.mark.skipif(binary() is None, reason="nginx is not installed (apt-get install nginx-light)")


@pytest.fixture(params=[ISTIO, GATEWAY, INGRESS, pytest.param(NGINX, marks=needs_nginx)], ids=lambda plane: plane.name)
def plane(request: pytest.FixtureRequest) -> Plane:
    found: Plane = request.param
    return found


async def meets_the_shares(found: World, requests: int) -> None:
    """Version 2 at each of the shares; the measurement is spread over both where it is exact to the request."""
    for number, share in enumerate(SHARES):
        if number:
            await found.stage.promote()
            await found.stage.reaches_step(2 * number + 1)
            await found.stage.reaches("Paused", "CanaryPauseStep")
        seen = await found.measured(requests)
        assert seen.failures == {}
        assert seen.share(tag(2)) == pytest.approx(share, abs=TOLERANCE)
        assert seen.versions.keys() == {tag(1), tag(2)}


async def test_shares_are_those_of_the_weights_and_nobody_is_failed(plane: Plane, tmp_path: Path) -> None:
    async with world(plane, tmp_path) as found:
        await found.release(2)
        await meets_the_shares(found, REQUESTS // len(SHARES) if plane.exact else REQUESTS)
        await found.stage.promote()
        await found.stage.reaches("Healthy")
        await found.all_answer_by(2)

        await found.release(3)
        assert (await found.measured(500)).versions.keys() == {tag(2), tag(3)}
        await found.stage.abort()
        await found.stage.reaches("Degraded", "RolloutAborted")
        await found.all_answer_by(2)

        await found.stage.undo(to_revision=1)
        await found.stage.reaches_step(1)
        await found.stage.promote(full=True)
        await found.stage.reaches("Healthy")
        await found.all_answer_by(1)
    assert found.seen.failures == {}
    assert found.seen.requests > 500
    assert {tag(1), tag(2)} <= found.seen.versions.keys()
