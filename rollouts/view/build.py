"""Pure. From the objects of a namespace to what a person sees of one Rollout or Experiment."""

from collections.abc import Iterable
from datetime import datetime

from analysis.schema import parse_time
from rollouts.api.labels import EXPERIMENT_TEMPLATE_NAME, POD_TEMPLATE_HASH, SCALE_DOWN_DEADLINE
from rollouts.kube.fields import number, part, parts, revision_of, text
from rollouts.kube.refs import Obj, name_of, namespace_of, uid_of
from rollouts.view.info import (
    BAD,
    NONE,
    OK,
    PAUSED,
    PROGRESSING,
    SCALED_DOWN,
    UNKNOWN,
    WAITING,
    WARNING,
    AnalysisRunInfo,
    ExperimentInfo,
    ImageInfo,
    JobInfo,
    Meta,
    PodInfo,
    ReplicaSetInfo,
    RolloutInfo,
)
from rollouts.view.phase import rollout_phase
from rollouts.view.pods import pod_icon, pod_ready, pod_restarts, pod_status
from rollouts.view.weights import actual_weight, set_weight, stable_slot, step_text, strategy_of

_ROLLOUT_ICONS = {"Healthy": OK, "Degraded": BAD, "Progressing": PROGRESSING, "Paused": PAUSED}
_REPLICA_SET_ICONS = {"Healthy": OK, "ReplicaFailure": BAD, "Progressing": PROGRESSING, "ScaledDown": SCALED_DOWN}
_ANALYSIS_ICONS = {
    "Successful": OK,
    "Failed": BAD,
    "Error": WARNING,
    "Inconclusive": UNKNOWN,
    "Running": PROGRESSING,
    "Pending": WAITING,
}


def rollout_info(
    rollout: Obj,
    replica_sets: Iterable[Obj] = (),
    pods: Iterable[Obj] = (),
    analysis_runs: Iterable[Obj] = (),
    experiments: Iterable[Obj] = (),
) -> RolloutInfo:
    """What belongs to the Rollout is found by owner references; the rest is passed over."""
    replica_sets, pods, analysis_runs = list(replica_sets), list(pods), list(analysis_runs)
    owned = _replica_sets(rollout, replica_sets, pods, rollout)
    phase, message = rollout_phase(rollout)
    canary = strategy_of(rollout) == "Canary"
    return RolloutInfo(
        meta=_meta(rollout),
        status=phase,
        message=message,
        icon=_ROLLOUT_ICONS.get(phase, NONE),
        strategy=strategy_of(rollout),
        step=step_text(rollout) if canary else "",
        set_weight=str(set_weight(rollout)) if canary else "",
        actual_weight=str(actual_weight(rollout, owned)) if canary else "",
        desired=number(rollout, "spec", "replicas", default=1),
        current=number(rollout, "status", "replicas"),
        updated=number(rollout, "status", "updatedReplicas"),
        ready=number(rollout, "status", "readyReplicas"),
        available=number(rollout, "status", "availableReplicas"),
        replica_sets=owned,
        experiments=tuple(
            experiment_info(each, replica_sets, pods, analysis_runs) for each in _newest(_owned(rollout, experiments))
        ),
        analysis_runs=_runs(rollout, analysis_runs),
    )


def experiment_info(
    experiment: Obj, replica_sets: Iterable[Obj] = (), pods: Iterable[Obj] = (), analysis_runs: Iterable[Obj] = ()
) -> ExperimentInfo:
    phase = text(experiment, "status", "phase")
    return ExperimentInfo(
        meta=_meta(experiment),
        status=phase,
        icon=_ANALYSIS_ICONS.get(phase, NONE),
        revision=revision_of(experiment),
        message=text(experiment, "status", "message"),
        replica_sets=_replica_sets(experiment, replica_sets, pods, {}),
        analysis_runs=_runs(experiment, analysis_runs),
    )


def images_of(info: RolloutInfo | ExperimentInfo) -> tuple[ImageInfo, ...]:
    """The images that run, sorted, each with the roles of the ReplicaSets that run it."""
    tags: dict[str, tuple[str, ...]] = {}
    for replica_set in _running(info):
        roles = (f"Σ:{replica_set.template}",) if replica_set.template else replica_set.roles
        for image in replica_set.images:
            tags[image] = tuple(sorted({*tags[image], *roles})) if image in tags else roles
    return tuple(ImageInfo(image, tags[image]) for image in sorted(tags))


def _running(info: RolloutInfo | ExperimentInfo) -> list[ReplicaSetInfo]:
    experiments = info.experiments if isinstance(info, RolloutInfo) else ()
    everything = (*info.replica_sets, *(each for experiment in experiments for each in experiment.replica_sets))
    return [each for each in everything if each.replicas > 0]


def _replica_sets(
    owner: Obj, replica_sets: Iterable[Obj], pods: Iterable[Obj], rollout: Obj
) -> tuple[ReplicaSetInfo, ...]:
    """The owner's ReplicaSets, newest revision first. `rollout` ({} for none) is what gives them roles."""
    pods = list(pods)
    infos = [_replica_set(each, pods, rollout) for each in _owned(owner, replica_sets)]
    return tuple(sorted(infos, key=lambda info: (-info.revision, info.meta.name)))


def _replica_set(replica_set: Obj, pods: Iterable[Obj], rollout: Obj) -> ReplicaSetInfo:
    status = _replica_set_status(replica_set)
    pod_infos = sorted((_pod(each) for each in _owned(replica_set, pods)), key=lambda info: _birth(info.meta))
    return ReplicaSetInfo(
        meta=_meta(replica_set),
        status=status,
        icon=_REPLICA_SET_ICONS[status],
        revision=revision_of(replica_set),
        replicas=number(replica_set, "status", "replicas"),
        available=number(replica_set, "status", "availableReplicas"),
        images=tuple(text(each, "image") for each in parts(replica_set, "spec", "template", "spec", "containers")),
        template=text(replica_set, "metadata", "annotations", EXPERIMENT_TEMPLATE_NAME),
        scale_down_deadline=_time(text(replica_set, "metadata", "annotations", SCALE_DOWN_DEADLINE)),
        pods=tuple(pod_infos),
        **_roles(text(replica_set, "metadata", "labels", POD_TEMPLATE_HASH), rollout),
    )


def _roles(pod_hash: str, rollout: Obj) -> dict[str, bool]:
    status = part(rollout, "status")
    if not pod_hash or not status:
        return {}
    stable = text(status, "stableRS") == pod_hash
    if strategy_of(rollout) == "BlueGreen":
        active = text(status, "blueGreen", "activeSelector") == pod_hash
        preview = not active and text(status, "blueGreen", "previewSelector") == pod_hash
        return {"stable": stable, "active": active, "preview": preview}
    canary = not stable and text(status, "currentPodHash") == pod_hash
    slot = stable_slot(rollout)
    if not slot or not (stable or canary):
        return {"stable": stable, "canary": canary}
    ping = (slot == "ping") is stable
    return {"stable": stable, "canary": canary, "ping": ping, "pong": not ping}


def _replica_set_status(replica_set: Obj) -> str:
    spec, status = part(replica_set, "spec"), part(replica_set, "status")
    wanted = number(spec, "replicas", default=1)
    if number(replica_set, "metadata", "generation") > number(status, "observedGeneration"):
        return "Progressing"
    for condition in parts(status, "conditions"):
        if text(condition, "type") == "ReplicaFailure" and text(condition, "status") == "True":
            return "ReplicaFailure"
    if number(status, "availableReplicas") < wanted:
        return "Progressing"
    return "Healthy" if wanted else "ScaledDown"


def _pod(pod: Obj) -> PodInfo:
    status = pod_status(pod)
    return PodInfo(_meta(pod), status, pod_icon(status), pod_ready(pod), pod_restarts(pod))


def _runs(owner: Obj, analysis_runs: Iterable[Obj]) -> tuple[AnalysisRunInfo, ...]:
    return tuple(_analysis_run(each) for each in _newest(_owned(owner, analysis_runs)))


def _analysis_run(run: Obj) -> AnalysisRunInfo:
    phase, metrics = text(run, "status", "phase"), parts(run, "status", "metricResults")
    return AnalysisRunInfo(
        meta=_meta(run),
        status=phase,
        icon=_ANALYSIS_ICONS.get(phase, NONE),
        revision=revision_of(run),
        successful=sum(number(each, "successful") for each in metrics),
        failed=sum(number(each, "failed") for each in metrics),
        inconclusive=sum(number(each, "inconclusive") for each in metrics),
        error=sum(number(each, "error") for each in metrics),
        jobs=tuple(_jobs(run)),
    )


def _jobs(run: Obj) -> Iterable[JobInfo]:
    """A Job is named by the metadata of its measurement; the Job itself may be gone."""
    for metric in parts(run, "status", "metricResults"):
        for measurement in parts(metric, "measurements"):
            if name := text(measurement, "metadata", "job-name"):
                phase = text(measurement, "phase")
                namespace = text(measurement, "metadata", "job-namespace") or namespace_of(run)
                meta = Meta(name, namespace, created=_time(text(measurement, "startedAt")))
                yield JobInfo(meta, phase, _ANALYSIS_ICONS.get(phase, NONE), text(metric, "name"))


def _newest(objs: Iterable[Obj]) -> list[Obj]:
    """Newest revision first; within one, as created, and what came in the same second by name downwards."""
    by_name = sorted(objs, key=name_of, reverse=True)
    by_birth = sorted(by_name, key=lambda obj: text(obj, "metadata", "creationTimestamp"))
    return sorted(by_birth, key=lambda obj: -revision_of(obj))


def _owned(owner: Obj, objs: Iterable[Obj]) -> list[Obj]:
    uid = uid_of(owner)
    return [obj for obj in objs if any(each.get("uid") == uid for each in parts(obj, "metadata", "ownerReferences"))]


def _meta(obj: Obj) -> Meta:
    return Meta(name_of(obj), namespace_of(obj), uid_of(obj), _time(text(obj, "metadata", "creationTimestamp")))


def _birth(meta: Meta) -> tuple[float, str]:
    return (meta.created.timestamp() if meta.created else 0.0, meta.name)


def _time(written: str) -> datetime | None:
    """None for no moment, and for one that nobody can read: the table shows what it can."""
    try:
        return parse_time(written) if written else None
    except ValueError:
        return None
