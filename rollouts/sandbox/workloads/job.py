"""Jobs: pods that run to an end, made again where they failed, until enough have succeeded or too many have not."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from analysis.schema import parse_time
from rollouts.kube.queue import Queue
from rollouts.kube.refs import JOB, POD, Obj, name_of, namespace_of, uid_of
from rollouts.sandbox.clock import Clock
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.jobstatus import (
    Tally,
    deadline_in,
    is_over,
    pods_wanted,
    retry_in,
    status_of,
    tally,
    verdict,
)
from rollouts.sandbox.workloads.meta import Key, condition, controlling_key, is_deleting, key_of
from rollouts.sandbox.workloads.pods import is_active, pod_of

_LABELS = "batch.kubernetes.io/"


class JobController:
    """Runs Jobs. A Job's pods are those that it owns: their labels are for people."""

    def __init__(self, caches: Caches, now: Clock) -> None:
        self.caches = caches
        self.now = now
        self.queue: Queue[Key] = Queue("jobs")
        self.jobs = caches[JOB]
        self.pods = caches[POD]
        self.jobs.subscribe(self._on_job)
        self.pods.subscribe(self._on_pod)

    async def run(self) -> None:
        await self.queue.run(self.reconcile, workers=4)

    def _on_job(self, old: Obj | None, new: Obj | None) -> None:
        if new is not None:
            self.queue.add(key_of(new))

    def _on_pod(self, old: Obj | None, new: Obj | None) -> None:
        for pod in (old, new):
            if pod is not None and (key := controlling_key(pod, "Job")) is not None:
                self.queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        """Take one Job further; the answer is when to look again without being told."""
        job = self.jobs.get(*key)
        if job is None:
            self.queue.forget(key)
            return None
        if is_deleting(job):
            return None
        if is_over(job):
            return await self._expire(job)
        now = self.now()
        pods = self.pods.owned_by(uid_of(job))
        counts = tally(pods)
        end = verdict(job, counts, now)
        soon = None
        if end is not None:
            await self._stop(pods)
        else:
            soon = await self._scale(job, pods, counts, now)
            counts = tally(self.pods.owned_by(uid_of(job)))
        status = status_of(job, counts, end, now)
        known = job.get("status") or {}
        if any(known.get(key) != value for key, value in status.items()):
            patch = {"metadata": {"uid": uid_of(job)}, "status": status}
            job = await self.caches.patch(JOB, job, patch, subresource="status")
        return min((each for each in (soon, deadline_in(job, now)) if each), default=None)

    async def _scale(self, job: Obj, pods: Sequence[Obj], counts: Tally, now: datetime) -> float | None:
        missing = pods_wanted(job, counts) - counts.active
        if missing < 0:
            await self._stop([pod for pod in pods if is_active(pod)][missing:])
        elif missing > 0:
            if (wait := retry_in(counts, now)) > 0:
                return wait
            for _ in range(missing):
                await self.caches.create(POD, namespace_of(job), pod_of(job, _labelled(job)))
        return None

    async def _stop(self, pods: Sequence[Obj]) -> None:
        for pod in pods:
            if is_active(pod):
                await self.caches.delete(POD, pod)

    async def _expire(self, job: Obj) -> float | None:
        """Delete a finished Job once its ttlSecondsAfterFinished have passed."""
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        end = condition(job, "Complete") or condition(job, "Failed")
        if seconds is None or end is None:
            return None
        left = (parse_time(end["lastTransitionTime"]) + timedelta(seconds=seconds) - self.now()).total_seconds()
        if left > 0:
            return left
        await self.caches.delete(JOB, job, propagation="Background")
        return None


def _labelled(job: Obj) -> Obj:
    """The Job's pod template with the labels that tell its pods from others."""
    template = job["spec"]["template"]
    metadata = template.get("metadata") or {}
    own = {"job-name": name_of(job), "controller-uid": uid_of(job)}
    labels = {**(metadata.get("labels") or {}), **own, **{_LABELS + key: value for key, value in own.items()}}
    return {**template, "metadata": {**metadata, "labels": labels}}
