"""How many requests arrived at the pods of each version: one query of Prometheus for each of them.

They go the way of all metric providers, so the same connections, the same rules of where to connect to and the same
sharing of equal questions hold for them.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from analysis.api import AnalysisRun, Metric
from analysis.asked.evidence import count_of
from analysis.providers.base import Context, ProviderError, Secrets
from analysis.providers.http import Http
from analysis.providers.prometheus import DEFAULT_TIMEOUT, Prometheus
from analysis.schema import Obj
from rollouts.api.proof import filled
from rollouts.decide.questions import Counted, CountRequests
from rollouts.kube.refs import name_of, namespace_of, uid_of
from rollouts.prober.prober import Finding


class RequestCounter:
    """Asks Prometheus."""

    def __init__(self, http: Http, clock: Callable[[], datetime], secrets: Secrets) -> None:
        self._http, self._clock, self._secrets = http, clock, secrets

    async def count(self, rollout: Obj, question: CountRequests) -> Finding[Counted]:
        """The counts of all versions, or the first thing that went wrong."""
        now = self._clock()
        span = min(question.window, now - question.since)
        seconds = max(1, int(span / timedelta(seconds=1)))
        began = now - timedelta(seconds=seconds)
        names = [name for name, _ in question.replica_sets]
        asked = (self._ask(rollout, question, name, hash, f"{seconds}s") for name, hash in question.replica_sets)
        try:
            async with asyncio.timeout(DEFAULT_TIMEOUT.total_seconds()):
                counts = await asyncio.gather(*asked)
        except (ProviderError, TimeoutError) as error:
            text = str(error) or "no answer in time"
            return Finding(Counted(self._clock(), began, error=text))
        return Finding(Counted(now, began, dict(zip(names, counts, strict=True))))

    async def _ask(self, rollout: Obj, question: CountRequests, name: str, hash: str, window: str) -> float:
        values: Mapping[str, str] = {
            "namespace": namespace_of(rollout),
            "rollout": name_of(rollout),
            "replicaset": name,
            "hash": hash,
            "window": window,
        }
        asked: dict[str, Any] = {"query": filled(question.query, **values), "address": question.address}
        metric = Metric.model_validate({"name": name, "provider": {"prometheus": asked}})
        run = AnalysisRun.model_validate(
            {
                "metadata": {
                    "name": name_of(rollout),
                    "namespace": namespace_of(rollout),
                    "uid": uid_of(rollout),
                },
                "spec": {"metrics": []},
            }
        )
        context = Context(run=run, http=self._http, now=self._clock, secrets=self._secrets, environ=os.environ)
        reading = await Prometheus(metric, context).reading()
        return count_of(reading.result)
