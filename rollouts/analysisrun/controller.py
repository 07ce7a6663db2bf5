"""One pass over an AnalysisRun: take what measurements are due, and store what the run has come to."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from pydantic import ValidationError

from analysis.api import AnalysisRun, AnalysisRunStatus, Measurement, MetricResult
from analysis.arguments import ResolvedMetrics
from analysis.decide import Assessment, Task, decide, failed, record
from analysis.measure import collect, measure, resolve, rests_on_spec
from analysis.providers.base import Context, Secrets
from analysis.providers.job import JOB_NAME, JOB_NAMESPACE
from analysis.schema import Obj
from rollouts.analysisrun.access import ClusterObjectives, ProviderAccess
from rollouts.analysisrun.jobs import has_ended
from rollouts.analysisrun.known import Known, KnownRuns, asks_the_same, may_wait
from rollouts.kube.cache import Cache, Key
from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.events import Recorder
from rollouts.kube.patch import merge_patch
from rollouts.kube.refs import ANALYSIS_RUN, uid_of
from rollouts.kube.wire import Wire
from rollouts.passes import next_look

log = structlog.get_logger(__name__)


class AnalysisRunController:
    """Looks after AnalysisRuns."""

    def __init__(
        self,
        wire: Wire,
        cache: Cache,
        recorder: Recorder,
        clock: Callable[[], datetime],
        secrets: Secrets,
        access: ProviderAccess | None = None,
    ) -> None:
        self._wire = wire
        self._cache = cache
        self._recorder = recorder
        self._clock = clock
        self._secrets = secrets
        self._objectives = ClusterObjectives(wire)
        self._access = access or ProviderAccess()
        self._runs = KnownRuns()
        self.storing: Key | None = None
        """The run whose status just came back from being stored: nothing new, for whoever hears of the change."""

    async def close(self) -> None:
        """Store what waits for further measurements, and give the network connections back."""
        for known in self._runs.waiting():
            try:
                await self._written(known, known.run.status)
            except ApiError as error:
                log.warning("measurements are lost, and will be taken again", run=known.run.name, error=error.message)
        await self._access.http.close()

    def forget(self, key: Key) -> None:
        """The run is gone."""
        self._runs.forget(key)

    async def look(self, key: Key, obj: Obj) -> float | None:
        """One pass: take the measurements that are due, store what the run has come to. See `rollouts.passes.Kind`."""
        if "deletionTimestamp" in obj["metadata"]:
            self.forget(key)
            return None
        try:
            known = self._runs.read(key, obj)
        except ValidationError as error:
            await self._malformed(obj, error)
            return None
        assessment = await self._assess(known)
        if assessment.delete:
            await self._delete(obj)
            return None
        await self._store(known, assessment)
        return next_look(assessment.wake_at, self._clock())

    async def _assess(self, known: Known) -> Assessment:
        run = known.run
        if run.status.phase.completed:
            return decide(run, ResolvedMetrics(), self._clock())
        run = self._hastened(run)
        resolved = known.resolved or await resolve(run, self._secrets, self._objectives)
        assessment = decide(run, resolved, self._clock())
        if known.resolved is None and rests_on_spec(run, resolved) and not assessment.status.phase.completed:
            known.resolved = replace(resolved, checked=True)
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

    async def _store(self, known: Known, assessment: Assessment) -> None:
        """Store what the run has come to, or let it wait for what follows."""
        status, now = assessment.status, self._clock()
        if not assessment.events and may_wait(known, status, assessment.wake_at, now):
            if status != known.run.status:
                known.waiting_since = known.waiting_since or now
                known.run = known.run.model_copy(update={"status": status})
            return
        if known.waiting_since is not None or status != known.run.status:
            await self._written(known, status)
        self._recorder.record_all(known.obj, assessment.events)

    async def _written(self, known: Known, status: AnalysisRunStatus) -> None:
        answer = await self._patched(known.obj, status)
        known.waiting_since = None
        if asks_the_same(known.obj, answer):  # if not, it was edited meanwhile, and is read anew
            known.obj = answer
            known.run = known.run.model_copy(update={"status": status, "metadata": answer["metadata"]})
        if status.phase.completed:
            self._runs.forget((known.run.namespace, known.run.name))

    async def _patched(self, obj: Obj, status: AnalysisRunStatus) -> Obj:
        """The object as the API server holds it after `status` was written, if there was anything to write."""
        patch = merge_patch(obj.get("status") or {}, status.wire())
        if not patch:
            return obj
        key = namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        # No status subresource: upstream's CRD has none, and its clients write there too.
        answer = await self._wire.patch(ANALYSIS_RUN, namespace, name, {"status": patch})
        self.storing = key if asks_the_same(obj, answer) else None
        try:
            self._cache.put(answer)
        finally:
            self.storing = None
        log.info("analysis", namespace=namespace, run=name, phase=str(status.phase))
        return self._cache.get(*key) or answer

    async def _malformed(self, obj: Obj, error: ValidationError) -> None:
        """A run that cannot be read ends in Error, and says which field is wrong."""
        if ((obj.get("status") or {}).get("phase")) == "Error":
            return
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        bare = AnalysisRun.model_validate({"metadata": obj["metadata"], "spec": {"metrics": []}})
        text = f"Analysis spec invalid: {where}: {fault['msg']}"
        verdict = failed(bare, text)
        self._recorder.record_all(await self._patched(obj, verdict.status), verdict.events)

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
