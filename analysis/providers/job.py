"""Job: a Kubernetes Job whose end is the measurement. Complete is success, Failed is failure; conditions count not.

A Job is named after the run, the metric and the number of the measurement, so that a controller that was killed
between making a Job and writing it down finds it again and does not make a second one.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from analysis.api import API_VERSION, AnalysisPhase, Measurement, Metric
from analysis.providers.base import Context, JobError, JobMissing, Jobs, JobsOutOfReach, JobTaken, ProviderError, ended
from analysis.schema import Obj

NAMESPACE_VARIABLE = "ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE"
KUBECONFIG_VARIABLE = "ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG"

RUN_UID = "analysisrun.argoproj.io/uid"
"""Label of a Job and its pods: the AnalysisRun's uid."""
RUN_NAME = "analysisrun.argoproj.io/name"
RUN_NAMESPACE = "analysisrun.argoproj.io/namespace"
METRIC_NAME = "analysisrun.argoproj.io/metric-name"

JOB_NAME, JOB_NAMESPACE = "job-name", "job-namespace"
"""Metadata of a measurement."""

TIMEOUT = timedelta(seconds=30)
_LONGEST_NAME = 63
_SOONEST = 1.0
_NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})


class Job:
    """One Job for every measurement."""

    def __init__(self, metric: Metric, context: Context) -> None:
        if metric.provider.job is None:
            raise ProviderError("the metric has no job provider")
        if context.jobs is None:
            raise ProviderError("a Job needs a cluster to run in, and there is none here")
        self.metric, self.context = metric, context
        self.spec = metric.provider.job
        self.jobs: Jobs = context.jobs
        self.namespace = context.environ.get(NAMESPACE_VARIABLE) or context.run.namespace
        elsewhere = bool(context.environ.get(KUBECONFIG_VARIABLE))
        self.at_home = self.namespace == context.run.namespace and not elsewhere

    def timeout(self) -> timedelta:
        """How long the API server may take."""
        return TIMEOUT

    def metadata(self) -> dict[str, str]:
        """Nothing is remembered of the metric."""
        return {}

    async def run(self) -> Measurement:
        """Make the Job, or take the one that an earlier attempt has made."""
        started = self.context.now()
        begun = Measurement(phase=AnalysisPhase.RUNNING, started_at=started)
        job = self._job()
        try:
            try:
                await self.jobs.create(self.namespace, job)
            except JobTaken as error:
                found = await self.jobs.get(self.namespace, job["metadata"]["name"])
                if not self._is_ours(found):
                    raise JobError(f"{error}, and it is not this measurement's") from error
        except (JobError, JobsOutOfReach) as error:
            return ended(begun, AnalysisPhase.ERROR, str(error), self.context.now())
        metadata = {JOB_NAME: job["metadata"]["name"], JOB_NAMESPACE: self.namespace}
        return begun.model_copy(update={"metadata": metadata, "resume_at": started})

    async def resume(self, measurement: Measurement) -> Measurement:
        """See whether the Job has ended, or will never begin for want of an image."""
        now = self.context.now()
        try:
            namespace, name = _reference(measurement)
            try:
                job = await self.jobs.get(namespace, name)
            except JobMissing:
                raise JobError(f'job.batch "{name}" not found') from None
            if verdict := outcome(job):
                return ended(measurement, verdict, "", now)
            if fault := image_fault(await self.jobs.pods(namespace, name)):
                return ended(measurement, AnalysisPhase.INCONCLUSIVE, fault, now)
        except JobError as error:
            return ended(measurement, AnalysisPhase.ERROR, str(error), now)
        except JobsOutOfReach:
            pass  # the Job runs on whether we hear of it or not: look again later
        return measurement.model_copy(update={"resume_at": later(measurement, now)})

    async def terminate(self, measurement: Measurement) -> Measurement:
        """Delete the Job with its pods. What it would have said is not known."""
        phase, message = AnalysisPhase.INCONCLUSIVE, ""
        try:
            await self.jobs.delete(*_reference(measurement))
        except JobMissing:
            message = "the Job was gone already"
        except (JobError, JobsOutOfReach) as error:
            phase, message = AnalysisPhase.ERROR, str(error)
        return ended(measurement, phase, message, self.context.now())

    async def collect(self, limit: int) -> None:
        """Delete this metric's Jobs but for the newest `limit`. ProviderError when that did not work."""
        try:
            made = [
                job for job in await self.jobs.of_run(self.namespace, self.context.run.uid) if self._is_metrics(job)
            ]
            for job in sorted(made, key=_number)[: max(0, len(made) - limit)]:
                if "deletionTimestamp" not in job["metadata"]:
                    await self.jobs.delete(self.namespace, job["metadata"]["name"])
        except JobMissing:
            return
        except (JobError, JobsOutOfReach) as error:
            raise ProviderError(f"old Jobs of metric '{self.metric.name}' are not cleared away: {error}") from error

    # ── the Job as it should be ──

    def _job(self) -> Obj:
        run, given = self.context.run, self.spec.metadata
        metadata: Obj = {
            "name": job_name(run.uid, self.metric.name, self._ordinal()),
            "namespace": self.namespace,
            "labels": {**(given.labels if given else {}), RUN_UID: run.uid},
            "annotations": {
                **(given.annotations if given else {}),
                RUN_NAME: run.name,
                RUN_NAMESPACE: run.namespace,
                METRIC_NAME: self.metric.name,
            },
        }
        if self.at_home:
            owner = {"apiVersion": API_VERSION, "kind": "AnalysisRun", "name": run.name, "uid": run.uid}
            metadata["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": _labelled(self.spec.spec, run.uid),
        }

    def _ordinal(self) -> int:
        """Which measurement of the metric this is, counted from 1; errors count too."""
        results = self.context.run.status.metric_results
        return next((each.count + each.error for each in results if each.name == self.metric.name), 0) + 1

    def _is_ours(self, job: Obj) -> bool:
        """Whether a Job of the expected name is this measurement's. It may be anybody's, with or without an owner."""
        uid = self.context.run.uid
        if not self._is_metrics(job) or (job["metadata"].get("labels") or {}).get(RUN_UID) != uid:
            return False
        owners = job["metadata"].get("ownerReferences") or ()
        return not self.at_home or any(owner.get("controller") and owner.get("uid") == uid for owner in owners)

    def _is_metrics(self, job: Obj) -> bool:
        return bool((job["metadata"].get("annotations") or {}).get(METRIC_NAME) == self.metric.name)


def job_name(uid: str, metric: str, number: int) -> str:
    """The name of the Job of a metric's n-th measurement; a long metric's name is cut."""
    room = _LONGEST_NAME - len(f"{uid}..{number}")
    return f"{uid}.{metric[: max(0, room)]}.{number}"


def outcome(job: Obj) -> AnalysisPhase | None:
    """What the Job's end means; None while it has none."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Complete":
            return AnalysisPhase.SUCCESSFUL
        if condition.get("type") == "Failed":
            return AnalysisPhase.FAILED
    return None


def image_fault(pods: Iterable[Obj]) -> str:
    """Which container waits for an image that is not to be had; "" when none does."""
    for pod in pods:
        for container in _containers(pod):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _NO_IMAGE:
                where = f"Pod {pod['metadata']['name']}, container {container.get('name', '')}"
                return f"{where} has terminal error ({waiting['reason']}): {waiting.get('message', '')}\n"
    return ""


def _containers(pod: Obj) -> Iterator[Obj]:
    status = pod.get("status") or {}
    for group in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(group) or ()


def later(measurement: Measurement, now: datetime) -> datetime:
    """When to look again: ever more rarely the longer the Job runs."""
    elapsed = (now - (measurement.started_at or now)).total_seconds()
    return now + timedelta(seconds=max(_SOONEST, math.sqrt(2 * max(0.0, elapsed))))


def _reference(measurement: Measurement) -> tuple[str, str]:
    """Namespace and name of the measurement's Job. JobError when it says none."""
    namespace, name = measurement.metadata.get(JOB_NAMESPACE, ""), measurement.metadata.get(JOB_NAME, "")
    if not namespace or not name:
        raise JobError("job metadata reference missing")
    return namespace, name


def _labelled(spec: Obj, uid: str) -> Obj:
    """The JobSpec with the run's uid on its pods."""
    template: Obj = spec.get("template") or {}
    metadata: Obj = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), RUN_UID: uid}
    return {**spec, "template": {**template, "metadata": {**metadata, "labels": labels}}}


def _number(job: Obj) -> int:
    """The number of the Job's measurement."""
    last = str(job["metadata"]["name"]).rpartition(".")[2]
    return int(last) if last.isdecimal() else 0
