"""From caches to a World: everything that a decision about one Rollout may read, at one moment.

Does no I/O. What an object means is parsed once per version of it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import ValidationError

from analysis import asked
from analysis.api import AnalysisTemplate, AnalysisTemplateRef, ClusterAnalysisTemplate
from analysis.providers.registry import unsupported
from analysis.schema import Obj, parse_time
from rollouts.api import labels
from rollouts.api.meta import ObjectMeta
from rollouts.api.rollout import Rollout, RolloutSpec
from rollouts.api.status import RolloutStatus
from rollouts.api.template import pod_template_hash, step_hash
from rollouts.api.unreadable import readable
from rollouts.asking import Asking
from rollouts.caches import BY_HASH, NAMED_AFTER, ORPHANS, Caches, named_after
from rollouts.decide import workload
from rollouts.decide.analyses.experimentview import experiment_seen
from rollouts.decide.pods.restart import pending
from rollouts.decide.questions import Ask
from rollouts.decide.references import template_refs
from rollouts.decide.world import NO_HASH, Hash, Pod, ReplicaSet, Run, Service, World
from rollouts.kube.cache import Cache, Key
from rollouts.kube.refs import (
    Ref,
    controller_of,
    name_of,
    namespace_of,
    uid_of,
)
from rollouts.traffic.base import Router, Selection, TrafficSettings, look
from rollouts.traffic.registry import routers
from rollouts.workloads import find, is_shared, template_version

TemplateKey = tuple[bool, str]
"""Whether a template is cluster-wide, and its name."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""What counts as the age of an object that does not tell it."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A Rollout as read from one version of its manifest. `spec` is that manifest's, by which to tell whether another
    version says the same; None when it could not be read. `workload` tells which version of which workload it has its
    template from, "" for none."""

    version: str
    workload: str
    spec: Obj | None
    rollout: Rollout
    template_hash: Hash
    step_hash: str
    fault: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Template:
    """A template as read; without a model it is not there."""

    version: str
    model: AnalysisTemplate | None
    fault: str = ""


_ABSENT = _Template("", None)


_REMEMBERED = 512
"""Rollouts whose manifests are kept as read, those looked at last. Each takes 18 kB, and to read it again 1 ms; of
thousands, few are in an update at the same time."""


class Observer:
    """Builds worlds. `traffic` and `instance_id` are the controller's settings that decisions depend on; `asking` leads
    to the world outside of the cluster."""

    def __init__(
        self, caches: Caches, traffic: TrafficSettings, instance_id: str = "", asking: Asking | None = None
    ) -> None:
        self._caches = caches
        self._traffic = traffic
        self._instance_id = instance_id
        self._asking = asking or Asking()
        self._parsed: OrderedDict[Key, _Parsed] = OrderedDict()
        self._read: dict[Key, _Template] = {}

    def forget(self, key: Key) -> None:
        """The Rollout is gone."""
        self._parsed.pop(key, None)
        self._asking.probe.forget(key)

    def ask(self, key: Key, obj: Obj, asks: Iterable[Ask]) -> None:
        """Pass on what a decision would like to know: a later world holds what is found out by then."""
        self._asking.probe.follow(key, obj, asks)

    def world(self, obj: Obj) -> World:
        """The world around this Rollout, as the caches have it."""
        found = find(self._caches.workloads, obj)
        parsed = self._parse(obj, found)
        rollout, namespace = parsed.rollout, parsed.rollout.metadata.namespace
        if parsed.fault:
            return World(rollout, spec_fault=parsed.fault)
        owned, orphans = self._replica_sets(rollout)
        templates = self.templates(namespace, template_refs(rollout))
        routing, routing_error = self._routing(rollout)
        return World(
            rollout=rollout,
            template_hash=parsed.template_hash,
            step_hash=parsed.step_hash,
            replica_sets=owned,
            orphans=orphans,
            services={name: self._service(namespace, name) for name in service_names(rollout)},
            templates={key: template.model for key, template in templates.items()},
            template_faults={key: template.fault for key, template in templates.items() if template.fault},
            runs=tuple(run(one, owned=owned) for one, owned in _claimed(self._caches.analysis_runs, rollout)),
            experiments=tuple(
                experiment_seen(one, owned=owned, created=_created(one))
                for one, owned in _claimed(self._caches.experiments, rollout)
            ),
            pods=self._pods(rollout, owned),
            routing=routing,
            routing_error=routing_error,
            spec_fault="",
            left_out=parsed.left_out,
            instance_id=self._instance_id,
            workload=None if found is None else workload.workload(found, is_shared(self._caches.rollouts, obj)),
            answers=self._asking.probe.answers((namespace, rollout.metadata.name)),
            ask_interval=self._asking.interval,
            verifies_targets=self._asking.balancers,
        )

    def _parse(self, obj: Obj, found: Obj | None) -> _Parsed:
        key, version = (namespace_of(obj), name_of(obj)), str(obj["metadata"].get("resourceVersion", ""))
        known, template = self._parsed.get(key), template_version(found)
        if known is None or known.workload != template or known.rollout.metadata.uid != uid_of(obj):
            known = self._parsed[key] = _parse(obj, version, found)
        elif known.version != version:
            known = self._parsed[key] = _parsed_again(known, obj, version) or _parse(obj, version, found)
        self._parsed.move_to_end(key)
        if len(self._parsed) > _REMEMBERED:
            self._parsed.popitem(last=False)
        return known

    def _replica_sets(self, rollout: Rollout) -> tuple[tuple[ReplicaSet, ...], tuple[ReplicaSet, ...]]:
        owned = tuple(replica_set(obj) for obj in self._caches.replica_sets.owned_by(rollout.metadata.uid))
        selector = rollout.spec.selector
        if selector is None or selector.empty:
            return owned, ()  # it would match everything: never adopt by it
        orphans = tuple(
            replica_set(obj)
            for obj in self._caches.replica_sets.by(ORPHANS, rollout.metadata.namespace)
            if "deletionTimestamp" not in obj["metadata"] and selector.matches(obj["metadata"].get("labels") or {})
        )
        return owned, orphans

    def _service(self, namespace: str, name: str) -> Service | None:
        obj = self._caches.services.get(namespace, name)
        if obj is None:
            return None
        selector = (obj.get("spec") or {}).get("selector") or {}
        managed_by = (obj["metadata"].get("annotations") or {}).get(labels.MANAGED_BY_ROLLOUTS)
        return Service(name, selector, Hash(selector.get(labels.POD_TEMPLATE_HASH, "")), managed_by)

    def templates(self, namespace: str, refs: Iterable[AnalysisTemplateRef]) -> dict[TemplateKey, _Template]:
        """Every template that is named in a namespace, and those that they name in turn."""
        found: dict[TemplateKey, _Template] = {}
        wanted = [(ref.cluster_scope, ref.template_name) for ref in refs]
        while wanted:
            key = wanted.pop()
            if key in found:
                continue
            found[key] = template = self._template(namespace, *key)
            if template.model is not None:
                wanted += [(ref.cluster_scope, ref.template_name) for ref in template.model.spec.templates]
        return found

    def _template(self, namespace: str, cluster: bool, name: str) -> _Template:
        caches = self._caches
        cache = caches.cluster_analysis_templates if cluster else caches.analysis_templates
        obj = cache.get("" if cluster else namespace, name)
        if obj is None:
            return _ABSENT
        key, version = (uid_of(obj), name), str(obj["metadata"].get("resourceVersion", ""))
        known = self._read.get(key)
        if known is None or known.version != version:
            known = self._read[key] = _read(obj, version, cluster)
        return known

    def _pods(self, rollout: Rollout, replica_sets: Iterable[ReplicaSet]) -> tuple[Pod, ...]:
        if not (pending(rollout) or follows_metadata(rollout)):
            return ()
        return tuple(
            pod(obj, rs.name)
            for rs in replica_sets
            for obj in self._caches.pods.by(BY_HASH, f"{rollout.metadata.namespace}/{rs.hash}")
            if (controller_of(obj) or {}).get("name") == rs.name
        )

    def _routing(self, rollout: Rollout) -> tuple[tuple[str, ...], str]:
        """The routing objects in words, and what is wrong with them."""
        named: list[str] = []
        for router in routers(rollout, self._traffic):
            objects = self.routing_objects(router)
            error = router.fault(objects)
            if error:
                return (), error
            named += map(str, objects)
        return tuple(dict.fromkeys(named)), ""

    def routing_objects(self, router: Router) -> dict[Ref, Obj]:
        """Those of the objects that this router needs which exist."""
        return look(router, self._routing_object, self._selected)

    def _selected(self, selection: Selection) -> Iterator[Ref]:
        cache = self._caches.routing.get(selection.resource)
        for obj in cache.objects(selection.namespace) if cache is not None else ():
            if selection.selector.matches(obj["metadata"].get("labels") or {}):
                yield Ref(selection.resource, selection.namespace, name_of(obj))

    def _routing_object(self, ref: Ref) -> Obj | None:
        cache = self._caches.routing.get(ref.resource)
        return cache.get(ref.namespace, ref.name) if cache is not None else None


def named_services(rollout: Obj) -> tuple[str, ...]:
    """Every Service that a Rollout's manifest names, read without a model: also of one that cannot be parsed."""
    strategy = ((rollout.get("spec") or {}).get("strategy")) or {}
    canary, blue_green = strategy.get("canary") or {}, strategy.get("blueGreen") or {}
    ping_pong = canary.get("pingPong") or {}
    names = (
        canary.get("stableService"),
        canary.get("canaryService"),
        ping_pong.get("pingService"),
        ping_pong.get("pongService"),
        blue_green.get("activeService"),
        blue_green.get("previewService"),
    )
    return tuple(name for name in names if isinstance(name, str) and name)


def follows_metadata(rollout: Rollout) -> bool:
    """Whether running pods have to follow the metadata of the part that they play."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    if blue_green is not None:
        return bool(blue_green.active_metadata or blue_green.preview_metadata)
    return canary is not None and bool(canary.canary_metadata or canary.stable_metadata)


def pod(obj: Obj, replica_set: str) -> Pod:
    """A pod, reduced to what decisions look at."""
    metadata = obj["metadata"]
    return Pod(
        name=metadata["name"],
        replica_set=replica_set,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        created=_created(obj),
        deleting="deletionTimestamp" in metadata,
        ready=any(
            condition.get("type") == "Ready" and condition.get("status") == "True"
            for condition in (obj.get("status") or {}).get("conditions") or ()
        ),
    )


def service_names(rollout: Rollout) -> tuple[str, ...]:
    """Every Service that the strategy names, stable before canary."""
    strategy = rollout.spec.strategy
    names: tuple[str, ...] = ()
    if strategy.canary is not None:
        names = (strategy.canary.stable_service, strategy.canary.canary_service)
        if strategy.canary.ping_pong is not None:
            names += (strategy.canary.ping_pong.ping_service, strategy.canary.ping_pong.pong_service)
    if strategy.blue_green is not None:
        names += (strategy.blue_green.active_service, strategy.blue_green.preview_service)
    return tuple(filter(None, names))


def _parse(obj: Obj, version: str, found: Obj | None) -> _Parsed:
    held = template_version(found)
    try:
        rollout, fault, left_out = _resolved(Rollout.model_validate(obj), found)
    except ValidationError as error:
        return _Parsed(version, held, None, _bare(obj), NO_HASH, "", first_fault(error))
    spec = obj.get("spec")
    if fault:
        return _Parsed(version, held, spec, rollout, NO_HASH, "", fault)
    template_hash = Hash(pod_template_hash(rollout.spec.template, rollout.status.collision_count))
    strategy = obj["spec"].get("strategy") or {}
    canary = strategy.get("canary")
    steps = "" if canary is None else step_hash(canary.get("steps") or (), rollout.status.current_step_hash)
    return _Parsed(version, held, spec, rollout, template_hash, steps, "", left_out)


def _resolved(rollout: Rollout, found: Obj | None) -> tuple[Rollout, str, tuple[str, ...]]:
    """The Rollout with the template that it runs, what is wrong with it, and which quantities had to be left out."""
    whole, fault = workload.resolved(rollout, found)
    if not fault or rollout.spec.workload_ref is not None:
        return whole, fault, ()
    template, left_out = readable(rollout.spec.template)
    if not left_out:
        return whole, fault, ()
    spec = rollout.spec.model_copy(update={"template": template})
    return *workload.resolved(rollout.model_copy(update={"spec": spec}), found), left_out


def _parsed_again(known: _Parsed, obj: Obj, version: str) -> _Parsed | None:
    """The same spec with another status, as most versions of a Rollout are; None when more is new.

    The spec is by far the larger part, and its hashes cost more than reading it.
    """
    if known.spec is None or known.spec != obj.get("spec"):
        return None
    try:
        metadata = ObjectMeta.model_validate(obj["metadata"])
        status = RolloutStatus.model_validate(obj.get("status") or {})
    except ValidationError:
        return None
    if status.collision_count != known.rollout.status.collision_count:
        return None
    rollout = known.rollout.model_copy(update={"metadata": metadata, "status": status})
    return replace(known, version=version, spec=obj["spec"], rollout=rollout)


def _bare(obj: Obj) -> Rollout:
    """A Rollout of which only metadata and, where it can be read, the status are known."""
    metadata = obj["metadata"]
    try:
        status = RolloutStatus.model_validate(obj.get("status") or {})
    except ValidationError:
        status = RolloutStatus()
    bare = Rollout.model_validate(
        {
            "metadata": {
                key: metadata[key]
                for key in ("name", "namespace", "uid", "generation", "resourceVersion")
                if key in metadata
            },
            "spec": RolloutSpec(),
        }
    )
    return bare.model_copy(update={"status": status})


def _read(obj: Obj, version: str, cluster: bool) -> _Template:
    kind = ClusterAnalysisTemplate if cluster else AnalysisTemplate
    try:
        model = kind.model_validate(obj)
    except ValidationError as error:
        return _Template(version, kind.model_validate({"metadata": obj["metadata"], "spec": {}}), first_fault(error))
    fault = asked.fault(model.metadata.get("annotations"), model.spec.metrics)
    return _Template(version, model, fault or next(iter(unsupported(model.spec.metrics)), ""))


def first_fault(error: ValidationError) -> str:
    """The first thing that a manifest got wrong: `<path>: Invalid value: <value>: <what>`."""
    fault = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    return f"{path}: Invalid value: {fault['input']!r}: {fault['msg']}"


def replica_set(obj: Obj) -> ReplicaSet:
    """A ReplicaSet, reduced to what decisions look at."""
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    own_labels: Mapping[str, str] = metadata.get("labels") or {}
    failure: Obj = next((c for c in status.get("conditions") or () if c.get("type") == "ReplicaFailure"), {})
    revision = annotations.get(labels.REVISION, "")
    return ReplicaSet(
        name=metadata["name"],
        hash=Hash(own_labels.get(labels.POD_TEMPLATE_HASH, "")),
        created=_created(obj),
        revision=int(revision) if revision.isdecimal() else 0,
        replicas=spec.get("replicas", 1),
        current=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        observed=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        min_ready_seconds=spec.get("minReadySeconds", 0),
        labels=own_labels,
        annotations=annotations,
        template=spec.get("template") or {},
        failure=failure.get("message", ""),
        failure_reason=failure.get("reason", ""),
    )


def _claimed(cache: Cache, rollout: Rollout) -> Iterator[tuple[Obj, bool]]:
    """The objects that a Rollout controls (True), and others whose name it might want."""
    uid, key = rollout.metadata.uid, f"{rollout.metadata.namespace}/{rollout.metadata.name}"
    yield from ((obj, True) for obj in cache.owned_by(uid))
    unlisted = (obj for obj in cache.unlisted.values() if key in named_after(obj))
    for obj in (*cache.by(NAMED_AFTER, key), *unlisted):
        if (controller_of(obj) or {}).get("uid") != uid:
            yield obj, False


def run(obj: Obj, *, owned: bool) -> Run:
    """An AnalysisRun, reduced to what decisions look at."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    own_labels = metadata.get("labels") or {}
    step = own_labels.get(labels.STEP_INDEX, "")
    return Run(
        name=metadata["name"],
        created=_created(obj),
        phase=status.get("phase", ""),
        message=status.get("message", ""),
        owned=owned,
        terminate=bool(spec.get("terminate")),
        deleting="deletionTimestamp" in metadata,
        hash=Hash(own_labels.get(labels.POD_TEMPLATE_HASH, "")),
        type=own_labels.get(labels.ROLLOUT_TYPE, ""),
        step=int(step) if step.isdecimal() else None,
        spec=spec,
    )


def _created(obj: Obj) -> datetime:
    stamp = obj["metadata"].get("creationTimestamp")
    return parse_time(stamp) if stamp else EPOCH
