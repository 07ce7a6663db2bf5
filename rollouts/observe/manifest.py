"""Rollouts as read from their manifests: once per version, and of a new version no more than what is new in it."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from pydantic import ValidationError

from analysis.schema import Obj
from rollouts.api.meta import ObjectMeta
from rollouts.api.pod.unreadable import readable
from rollouts.api.rollout import Rollout, RolloutSpec
from rollouts.api.status import RolloutStatus
from rollouts.api.template import pod_template_hash, step_hash
from rollouts.decide import workload
from rollouts.decide.world import NO_HASH, Hash
from rollouts.kube.cache import Key
from rollouts.kube.refs import name_of, namespace_of, uid_of
from rollouts.observe.workloads import template_version

REMEMBERED = 512
"""Rollouts whose manifests are kept as read, those looked at last. Each takes 18 kB, and to read it again 1 ms; of
thousands, few are in an update at the same time."""


@dataclass(frozen=True, slots=True)
class Parsed:
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


class Manifests:
    """Reads Rollouts, and keeps the last of them as read."""

    def __init__(self) -> None:
        self._parsed: OrderedDict[Key, Parsed] = OrderedDict()

    def forget(self, key: Key) -> None:
        """The Rollout is gone."""
        self._parsed.pop(key, None)

    def read(self, obj: Obj, found: Obj | None) -> Parsed:
        """The Rollout of a manifest, with the template of the workload that was `found` for it, if it refers to one."""
        key, version = (namespace_of(obj), name_of(obj)), str(obj["metadata"].get("resourceVersion", ""))
        known, template = self._parsed.get(key), template_version(found)
        if known is None or known.workload != template or known.rollout.metadata.uid != uid_of(obj):
            known = self._parsed[key] = _parse(obj, version, found)
        elif known.version != version:
            known = self._parsed[key] = _parsed_again(known, obj, version) or _parse(obj, version, found)
        self._parsed.move_to_end(key)
        if len(self._parsed) > REMEMBERED:
            self._parsed.popitem(last=False)
        return known


def _parse(obj: Obj, version: str, found: Obj | None) -> Parsed:
    held = template_version(found)
    try:
        rollout, fault, left_out = _resolved(Rollout.model_validate(obj), found)
    except ValidationError as error:
        return Parsed(version, held, None, _bare(obj), NO_HASH, "", first_fault(error))
    spec = obj.get("spec")
    if fault:
        return Parsed(version, held, spec, rollout, NO_HASH, "", fault)
    template_hash = Hash(pod_template_hash(rollout.spec.template, rollout.status.collision_count))
    strategy = obj["spec"].get("strategy") or {}
    canary = strategy.get("canary")
    steps = "" if canary is None else step_hash(canary.get("steps") or (), rollout.status.current_step_hash)
    return Parsed(version, held, spec, rollout, template_hash, steps, "", left_out)


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


def _parsed_again(known: Parsed, obj: Obj, version: str) -> Parsed | None:
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


def first_fault(error: ValidationError) -> str:
    """The first thing that a manifest got wrong: `<path>: Invalid value: <value>: <what>`."""
    fault = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    return f"{path}: Invalid value: {fault['input']!r}: {fault['msg']}"
