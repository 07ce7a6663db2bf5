"""Connections to an API server for as long as a block lasts, and until they are really closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rollouts.kube.access import Access
from rollouts.kube.http import HttpWire, connect

_GOODBYE = 0.25
"""Seconds that TLS connections take to close after their session has: aiohttp does not wait for them."""


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[HttpWire]:
    """A wire to the API server of a kubeconfig."""
    async with await connect(Access(kubeconfig=str(kubeconfig)), user_agent="cluster-test", environ={}) as wire:
        yield wire
    await asyncio.sleep(_goodbye(kubeconfig))


def _goodbye(kubeconfig: Path) -> float:
    return _GOODBYE if "https://" in kubeconfig.read_text() else 0.0
