"""The Jobs of a cluster, lent to the analysis that runs them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from analysis.providers.base import JobError, JobMissing, JobsOutOfReach, JobTaken
from analysis.providers.job import RUN_NAME, RUN_NAMESPACE, RUN_UID, outcome
from rollouts.kube.cache import Key, lean
from rollouts.kube.errors import AlreadyExists, ApiError, NotFound, TooManyRequests, Unreachable
from rollouts.kube.refs import JOB, POD, Obj
from rollouts.kube.wire import Wire

_JOB_NAME = "job-name"


class ClusterJobs:
    """Jobs over a wire, which may lead to another cluster than the controller's own."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def create(self, namespace: str, job: Obj) -> None:
        with _told():
            await self._wire.create(JOB, namespace, job)

    async def get(self, namespace: str, name: str) -> Obj:
        with _told():
            return await self._wire.get(JOB, namespace, name)

    async def of_run(self, namespace: str, uid: str) -> Sequence[Obj]:
        with _told():
            return (await self._wire.list(JOB, namespace, label_selector=f"{RUN_UID}={uid}")).items

    async def pods(self, namespace: str, name: str) -> Sequence[Obj]:
        with _told():
            return (await self._wire.list(POD, namespace, label_selector=f"{_JOB_NAME}={name}")).items

    async def delete(self, namespace: str, name: str) -> None:
        with _told():
            await self._wire.delete(JOB, namespace, name, propagation="Foreground")


@contextmanager
def _told() -> Iterator[None]:
    """What the API server refuses, in the words of analysis."""
    try:
        yield
    except AlreadyExists as error:
        raise JobTaken(error.message) from error
    except NotFound as error:
        raise JobMissing(error.message) from error
    except (Unreachable, TooManyRequests) as error:
        raise JobsOutOfReach(error.message) from error
    except ApiError as error:
        raise JobError(error.message) from error


def run_of(job: Obj) -> Key | None:
    """The AnalysisRun that a Job says it is for."""
    annotations = job["metadata"].get("annotations") or {}
    named = annotations.get(RUN_NAMESPACE), annotations.get(RUN_NAME)
    return (named[0], named[1]) if named[0] and named[1] else None


def bare(job: Obj) -> Obj:
    """What a cache keeps of a Job: who it is for, and whether it has ended."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return {"metadata": lean(job)["metadata"], "status": {"conditions": conditions}}


def has_ended(job: Obj | None) -> bool:
    return job is not None and outcome(job) is not None
