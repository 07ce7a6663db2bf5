"""A real Prometheus with an hour of made history: noise, three blips that no release should die of, two incidents."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from rollouts.sandbox.prometheus import free_port
from rollouts.sandbox.prometheus_binary import find_or_install

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
ONE = timedelta(minutes=60)
EVERY = timedelta(seconds=15)
PER_STEP = 1500  # requests in 15 seconds

EACH = {"canary": 250, "stable": 2250}
"""Requests of the other service in 15 seconds."""

RESTARTS = (7.0, 12.25)
WORSE = (20, 30)
"""Minutes after noon in which the canary of the other service has eight times stable's errors."""

BLIPS = (5, 33, 58)
INCIDENTS = ((15, 20), (42, 45))
"""Minutes after noon."""


def share(minute: float) -> float:
    """The share of requests that fail."""
    if any(begin <= minute < end for begin, end in INCIDENTS):
        return 0.3
    return 0.3 if any(blip <= minute < blip + 0.25 for blip in BLIPS) else 0.005


def exposition() -> Iterator[str]:
    """The history in the format of OpenMetrics."""
    yield "# TYPE http_requests counter"
    good = bad = 0.0
    steps = int(ONE / EVERY)
    samples: dict[str, list[str]] = {"200": [], "500": []}
    for step in range(steps + 1):
        at = (NOON + step * EVERY).timestamp()
        failing = share(step * EVERY / timedelta(minutes=1))
        good, bad = good + PER_STEP * (1 - failing), bad + PER_STEP * failing
        for status, total in (("200", good), ("500", bad)):
            samples[status].append(f'http_requests_total{{service="api",status="{status}"}} {total:g} {at:.0f}')
    for lines in samples.values():
        yield from lines
    for track in ("canary", "stable"):
        yield from releases(track)
    yield "# EOF"


def releases(track: str) -> Iterator[str]:
    """Of another service: 1,000 requests a minute at the canary, of which some fail, and 9,000 at stable.

    The canary is restarted now and then, and begins to count anew.
    """
    totals = {"200": 0, "500": 0}
    samples: dict[str, list[str]] = {status: [] for status in totals}
    each = EACH[track]
    for step in range(int(ONE / EVERY) + 1):
        at, minute = (NOON + step * EVERY).timestamp(), step * EVERY / timedelta(minutes=1)
        bad = track == "canary" and WORSE[0] <= minute < WORSE[1]
        if track == "canary" and minute in RESTARTS:
            totals = {"200": 0, "500": 0}
        totals["500"] += round(each * (0.032 if bad else 0.004))
        totals["200"] += each - round(each * (0.032 if bad else 0.004))
        for status, total in totals.items():
            labels = f'service="web",track="{track}",status="{status}"'
            samples[status].append(f"http_requests_total{{{labels}}} {total} {at:.0f}")
    for lines in samples.values():
        yield from lines


def make(folder: Path) -> Path:
    """Blocks of the history in `folder`."""
    text, data = folder / "history.om", folder / "data"
    text.write_text("\n".join(exposition()) + "\n")
    promtool = find_or_install("promtool")
    subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics", text, data], check=True, capture_output=True)
    return data


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """A Prometheus over the history; its URL."""
    binary, data = await asyncio.to_thread(find_or_install), await asyncio.to_thread(make, folder)
    config, url = folder / "prometheus.yml", f"http://127.0.0.1:{free_port()}"
    config.write_text("scrape_configs: []\n")
    process = await asyncio.create_subprocess_exec(
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=50y",
        f"--web.listen-address={url.removeprefix('http://')}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _ready(url)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _ready(url: str) -> None:
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/-/ready")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # not yet listening
            await asyncio.sleep(0.05)
