"""AnalysisRuns over a cluster: lends `analysis` the cache, the clock and secrets, and stores what it concludes."""

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from pydantic import ValidationError

from analysis.api import NO_STATUS, AnalysisRun, AnalysisRunStatus, Measurement, MetricResult
from analysis.arguments import ResolvedMetrics
from analysis.decide import Assessment, Task, decide, failed, record
from analysis.measure import collect, measure, resolve
from analysis.providers.base import Context, Jobs, ObjectiveError, SecretError, Secrets
from analysis.providers.http import Http
from analysis.providers.job import JOB_NAME, JOB_NAMESPACE
from analysis.schema import Obj
from rollouts.controller import Pulse, timed
from rollouts.jobs import has_ended
from rollouts.kube.cache import Cache, Key
from rollouts.kube.errors import NotFound, Refused
from rollouts.kube.events import Recorder
from rollouts.kube.patch import merge_patch
from rollouts.kube.refs import ANALYSIS_RUN, JOB, SECRET, SERVICE_LEVEL_OBJECTIVE, uid_of
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


class ClusterObjectives:
    """ServiceLevelObjectives of Pyrra, read from the cluster where a run is judged by one, each time anew."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def get(self, namespace: str, name: str) -> Obj:
        try:
            return await self._wire.get(SERVICE_LEVEL_OBJECTIVE, namespace, name)
        except (NotFound, Refused) as error:  # any other error is the API server's, and passes
            where = f"ServiceLevelObjective '{name}' ({SERVICE_LEVEL_OBJECTIVE.group}) in namespace '{namespace}'"
            raise ObjectiveError(f"{where}: {error.message}") from error


@dataclass(frozen=True)
class ProviderAccess:
    """What metric providers work with.

    `jobs` runs Jobs, and `known_jobs` holds them as they were last heard of: a measurement whose Job has ended is
    looked at at once. `controller_namespace` is where the Secrets lie that every run uses.
    """

    http: Http = field(default_factory=Http)
    jobs: Jobs | None = None
    known_jobs: Cache = field(default_factory=lambda: Cache(JOB))
    controller_namespace: str = "argo-rollouts"


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
        access: ProviderAccess | None = None,
    ) -> None:
        self._wire = wire
        self._cache = cache
        self._recorder = recorder
        self._clock = clock
        self._secrets = secrets
        self._objectives = ClusterObjectives(wire)
        self._pulse = pulse
        self._access = access or ProviderAccess()

    async def close(self) -> None:
        """Give the network connections back."""
        await self._access.http.close()

    async def reconcile(self, key: Key) -> float | None:
        """One pass: take the measurements that are due and store what the run has come to."""
        obj = self._cache.get(*key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return None
        with timed(self._pulse, ANALYSIS_RUN, key):
            return await self._pass(obj)

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
        run = self._hastened(run)
        resolved = await resolve(run, self._secrets, self._objectives)
        assessment = decide(run, resolved, self._clock())
        if not assessment.tasks:
            return assessment
        context = Context(
            run=run,
            http=self._access.http,
            now=self._clock,
            secrets=self._secrets,
            environ=os.environ,
            controller_namespace=self._access.controller_namespace,
            jobs=self._access.jobs,
        )
        taken = await measure(assessment.tasks, resolved, context)
        recorded = record(run, resolved, taken, self._clock())
        await self._collect(assessment.tasks, resolved, recorded, context)
        return recorded

    def _hastened(self, run: AnalysisRun) -> AnalysisRun:
        """The run, with measurements whose Job has ended due now."""
        if not any(map(_awaits_job, run.status.metric_results)):
            return run
        known, now = self._access.known_jobs, self._clock()
        results = []
        for result in run.status.metric_results:
            if _awaits_job(result) and has_ended(known.get(*_job_of(result.measurements[-1]))):
                last = result.measurements[-1].model_copy(update={"resume_at": now})
                result = result.model_copy(update={"measurements": (*result.measurements[:-1], last)})
            results.append(result)
        status = run.status.model_copy(update={"metric_results": tuple(results)})
        return run.model_copy(update={"status": status})

    async def _collect(
        self, tasks: Sequence[Task], resolved: ResolvedMetrics, recorded: Assessment, context: Context
    ) -> None:
        """Clear away what old measurements have left behind. What is still there next time is found next time."""
        for fault in await collect(tasks, resolved, recorded.status, context):
            log.warning("analysis", namespace=context.run.namespace, run=context.run.name, fault=fault)

    async def _store(self, obj: Obj, before: AnalysisRunStatus, assessment: Assessment) -> None:
        patch = {} if assessment.status == before else merge_patch(obj.get("status") or {}, assessment.status.wire())
        if patch:
            namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
            # No status subresource: upstream's CRD has none, and its clients write there too.
            self._cache.put(await self._wire.patch(ANALYSIS_RUN, namespace, name, {"status": patch}))
            log.info("analysis", namespace=namespace, run=name, phase=str(assessment.status.phase))
        self._recorder.record_all(
            obj,
            [
                ("Warning" if event.type == "Warning" else "Normal", event.reason, event.message)
                for event in assessment.events
            ],
        )

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


def _awaits_job(result: MetricResult) -> bool:
    last = result.measurements[-1] if result.measurements else None
    return last is not None and last.finished_at is None and JOB_NAME in last.metadata


def _job_of(measurement: Measurement) -> Key:
    return measurement.metadata.get(JOB_NAMESPACE, ""), measurement.metadata[JOB_NAME]
