"""Comparisons read the counters of a real Prometheus exactly, restarts and all."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest

from analysis.asked import COMPARE
from analysis.providers.http import Http
from tests.analysis.pods import led, run_of
from tests.analysis.runs import R
from tests.backtest.past import EACH, EVERY, NOON

MINUTE = timedelta(minutes=1)
ENTRY = {
    "all": 'http_requests_total{service="web"}',
    "bad": 'http_requests_total{service="web",status=~"5.."}',
    "canary": 'track="canary"',
    "stable": 'track="stable"',
    "atLeast": 500,
    "longestWait": "5m",
}


@dataclass
class Real:
    """The network, as it is."""

    def http(self) -> Http:
        """Connections of its own."""
        return Http()


@pytest.mark.parametrize("interval", ["20s", "1m", "7m"])
@pytest.mark.parametrize("since", [2.1, 6.0])
async def test_every_request_is_counted_once_whatever_the_interval(
    prometheus: str, interval: str, since: float
) -> None:
    began = NOON + since * MINUTE
    provider = {"prometheus": {"address": prometheus, "query": "q"}}
    run = await led(run_of(COMPARE, ENTRY, interval=interval, provider=provider), Real(), 14, began=began)
    assert run.status.phase is R
    found = json.loads(run.status.metric_results[0].measurements[-1].metadata["comparison"])
    scrapes = (found["until"] - NOON.timestamp()) // EVERY.total_seconds() - (began - NOON) // EVERY
    for side, each in EACH.items():
        assert found[side] == [scrapes * round(each * 0.004), scrapes * each]
