"""AnalysisRuns over a cluster: lends `analysis` the cache, the clock and secrets, and stores what it concludes."""

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from pydantic import ValidationError

from analysis.api import NO_STATUS, AnalysisRun, AnalysisRunStatus
from analysis.arguments import ResolvedMetrics
from analysis.decide import Assessment, decide, failed, record
from analysis.measure import measure, resolve
from analysis.providers.base import Context, SecretError, Secrets
from analysis.providers.http import Http
from analysis.schema import Obj
from rollouts.controller import Pulse
from rollouts.kube.cache import Cache, Key
from rollouts.kube.errors import NotFound, Refused
from rollouts.kube.events import Recorder
from rollouts.kube.patch import merge_patch
from rollouts.kube.refs import ANALYSIS_RUN, SECRET, uid_of
from rollouts.kube.wire import Wire

log = structlog.get_logger(__name__)


class ClusterSecrets:
    """Secrets read from the cluster, each time anew: a rotated one counts at the next measurement."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def get(self, namespace: str, name: str) -> Mapping[str, bytes]:
        try:
            secret = await self._wire.get(SECRET, namespace, name)
        except (NotFound, Refused) as error:  # any other error is the API server's, and passes
            raise SecretError(error.message) from error
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


class AnalysisRunController:
    """Reconciles AnalysisRuns by key."""

    def __init__(
        self,
        wire: Wire,
        cache: Cache,
        recorder: Recorder,
        clock: Callable[[], datetime],
        secrets: Secrets,
        pulse: Pulse | None = None,
        http: Http | None = None,
    ) -> None:
        self._wire = wire
        self._cache = cache
        self._recorder = recorder
        self._clock = clock
        self._secrets = secrets
        self._pulse = pulse
        self._http = http or Http()

    async def close(self) -> None:
        """Give the network connections back."""
        await self._http.close()

    async def reconcile(self, key: Key) -> float | None:
        """One pass: take the measurements that are due and store what the run has come to."""
        obj = self._cache.get(*key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return None
        loop = asyncio.get_running_loop()
        started, faulty = loop.time(), True
        try:
            delay = await self._pass(obj)
            faulty = False
            return delay
        finally:
            if self._pulse is not None:
                self._pulse.reconciled(ANALYSIS_RUN.kind, *key, loop.time() - started, failed=faulty)

    async def _pass(self, obj: Obj) -> float | None:
        try:
            run = AnalysisRun.model_validate(obj)
        except ValidationError as error:
            await self._malformed(obj, error)
            return None
        assessment = await self._assess(run)
        if assessment.delete:
            await self._delete(obj)
            return None
        await self._store(obj, run.status, assessment)
        if assessment.wake_at is None:
            return None
        return max(0.0, (assessment.wake_at - self._clock()).total_seconds()) + 0.002

    async def _assess(self, run: AnalysisRun) -> Assessment:
        if run.status.phase.completed:
            return decide(run, ResolvedMetrics(), self._clock())
        resolved = await resolve(run, self._secrets)
        assessment = decide(run, resolved, self._clock())
        if not assessment.tasks:
            return assessment
        context = Context(run, self._http, self._clock, self._secrets, os.environ)
        taken = await measure(assessment.tasks, resolved, context)
        return record(run, resolved, taken, self._clock())

    async def _store(self, obj: Obj, before: AnalysisRunStatus, assessment: Assessment) -> None:
        patch = {} if assessment.status == before else merge_patch(obj.get("status") or {}, assessment.status.wire())
        if patch:
            namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
            # No status subresource: upstream's CRD has none, and its clients write there too.
            self._cache.put(await self._wire.patch(ANALYSIS_RUN, namespace, name, {"status": patch}))
            log.info("analysis", namespace=namespace, run=name, phase=str(assessment.status.phase))
        for event in assessment.events:
            self._recorder.record(obj, "Warning" if event.type == "Warning" else "Normal", event.reason, event.message)

    async def _malformed(self, obj: Obj, error: ValidationError) -> None:
        """A run that cannot be read ends in Error, and says which field is wrong."""
        if ((obj.get("status") or {}).get("phase")) == "Error":
            return
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        bare = AnalysisRun.model_validate({"metadata": obj["metadata"], "spec": {"metrics": []}})
        text = f"Analysis spec invalid: {where}: {fault['msg']}"
        await self._store(obj, NO_STATUS, failed(bare, text))

    async def _delete(self, obj: Obj) -> None:
        metadata = obj["metadata"]
        try:
            await self._wire.delete(ANALYSIS_RUN, metadata["namespace"], metadata["name"], uid=uid_of(obj))
        except NotFound:
            return
