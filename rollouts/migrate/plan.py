"""Pure. What it takes to turn a Deployment into a Rollout, or back: steps that each leave users served.

Every step may be done twice, so a migration that was cut off is finished by beginning again. New pods are available
before old ones go; whoever scales (a HorizontalPodAutoscaler) follows in between.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.api.rollout import Rollout
from rollouts.api.template import templates_equal
from rollouts.decide.workload import NEVER, PROGRESSIVELY, resolved
from rollouts.kube.fields import number, part, text
from rollouts.kube.refs import DEPLOYMENT, ROLLOUT, SERVICE, Obj, Ref, Resource, name_of, namespace_of
from rollouts.migrate.manifests import deployment_from, deployment_name, rollout_from
from rollouts.observe.services import named_services
from rollouts.view import rollout_phase

AUTOSCALER = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
MANIFEST, WORKLOAD_REF = "manifest", "workload-ref"


class CannotMigrate(Exception):
    """Not as things stand; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Create:
    ref: Ref
    manifest: Obj


@dataclass(frozen=True, slots=True)
class Change:
    """A merge patch."""

    ref: Ref
    patch: Obj


@dataclass(frozen=True, slots=True)
class Delete:
    """The object, and in the background what it owns."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until `lacks`, asked with the object (None: there is none), has nothing to say."""

    ref: Ref
    lacks: Callable[[Obj | None], str]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and how to tell people of it."""

    text: str
    action: Create | Change | Delete | Await


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is now: the Deployment and the Rollout (None: not there), and the namespace's autoscalers."""

    deployment: Obj | None
    rollout: Obj | None
    autoscalers: tuple[Obj, ...] = ()


# ── there ──


def forward(scene: Scene, name: str, mode: str, strategy: Obj | None = None) -> tuple[Step, ...]:
    """From the Deployment to a Rollout of this name. Raises CannotMigrate."""
    deployment, rollout = scene.deployment, scene.rollout
    if deployment is None:
        if rollout is not None and deployment_name(rollout):
            return ()  # it was the last to go
        raise CannotMigrate("there is no such Deployment")
    if rollout is None:
        _check_deployment(deployment)
    elif deployment_name(rollout) != name_of(deployment):
        raise CannotMigrate(f"there is a Rollout {name} that did not come from this Deployment; choose another --name")
    elif ("workloadRef" in rollout["spec"]) != (mode == WORKLOAD_REF):
        raise CannotMigrate(f"Rollout {name} was made in the other --mode: go on in that, or go back with --undo")
    old = Ref(DEPLOYMENT, namespace_of(deployment), name_of(deployment))
    new = Ref(ROLLOUT, old.namespace, name)
    wanted = rollout or rollout_for(scene, name, mode, strategy)
    steps = () if rollout is not None else (Step(f"create {_of(wanted, new)}", Create(new, wanted)),)
    follow = _retarget(scene.autoscalers, old, new)
    last = _refer(new, wanted, old) if mode == WORKLOAD_REF else _replace(old)
    return (*steps, Step(f"wait until {new} is Healthy", Await(new, not_healthy)), *follow, *last)


def rollout_for(scene: Scene, name: str, mode: str, strategy: Obj | None = None) -> Obj:
    """The Rollout's manifest. Raises CannotMigrate when the controller would not accept it."""
    deployment = scene.deployment or {}
    autoscaled = any(_targets(each, DEPLOYMENT, name_of(deployment)) for each in scene.autoscalers)
    # An autoscaler that still looks at the Deployment would scale it up against the hand-over.
    mine = (NEVER if autoscaled else PROGRESSIVELY) if mode == WORKLOAD_REF else ""
    manifest = rollout_from(deployment, name, strategy, scale_down=mine)
    fault = resolved(Rollout.model_validate(manifest), deployment)[1]
    if fault:
        raise CannotMigrate(f"the Rollout would not be accepted: {fault}")
    return manifest


def _check_deployment(deployment: Obj) -> None:
    spec = part(deployment, "spec")
    if text(spec, "strategy", "type") == "Recreate":
        raise CannotMigrate("its strategy is Recreate: two sets of its pods must not run at once, but a Rollout's do")
    if spec.get("paused"):
        raise CannotMigrate("it is paused: finish or take back what it holds, and resume it")
    lacking = _not_available(deployment)
    if lacking:
        raise CannotMigrate(f"it is not settled: {lacking}")


def _refer(new: Ref, rollout: Obj, old: Ref) -> Iterator[Step]:
    if text(rollout, "spec", "workloadRef", "scaleDown") != PROGRESSIVELY:
        patch = {"spec": {"workloadRef": {"scaleDown": PROGRESSIVELY}}}
        yield Step(f"let the controller scale {old} down", Change(new, patch))
    yield Step(f"wait until {old} has handed over its pods; it stays, and holds the template", Await(old, not_empty))


def _replace(old: Ref) -> Iterator[Step]:
    yield Step(f"scale {old} to 0", Change(old, {"spec": {"replicas": 0}}))
    yield Step(f"wait until the pods of {old} are gone", Await(old, not_empty))
    yield Step(f"delete {old}", Delete(old))


# ── and back ──


def back(scene: Scene) -> tuple[Step, ...]:
    """From the Rollout to the Deployment that it came from. Raises CannotMigrate."""
    rollout, deployment = scene.rollout, scene.deployment
    if rollout is None:
        raise CannotMigrate("there is no such Rollout")
    _check_rollout(rollout, deployment)
    old = Ref(ROLLOUT, namespace_of(rollout), name_of(rollout))
    new = Ref(DEPLOYMENT, old.namespace, deployment_name(rollout))
    size = number(rollout, "spec", "replicas", default=1)
    return (
        *_keep_hands_off(old, rollout, new),
        *_deploy(new, rollout, deployment, size),
        Step(f"wait until all pods of {new} are available", Await(new, _not_available)),
        *_retarget(scene.autoscalers, old, new),
        *_free_services(old, rollout),
        Step(f"delete {old} with its pods", Delete(old)),
        Step(f"wait until {old} is gone", Await(old, _still_there)),
    )


def _check_rollout(rollout: Obj, deployment: Obj | None) -> None:
    name = deployment_name(rollout)
    if not name:
        raise CannotMigrate("it came from no Deployment and refers to none")
    referring = "workloadRef" in rollout["spec"]
    if deployment is None and referring:
        raise CannotMigrate(f"Deployment {name}, which it refers to, is gone")
    if "destinationRule" in part(rollout, "spec", "strategy", "canary", "trafficRouting", "istio"):
        raise CannotMigrate("its DestinationRule has subsets of its own pods: take it out of the traffic routing first")
    if deployment is not None and _serves_alone(deployment, rollout):
        return  # whatever became of the Rollout
    status = part(rollout, "status")
    phase, message = rollout_phase(rollout)
    if phase != "Healthy" or status.get("stableRS") != status.get("currentPodHash"):
        raise CannotMigrate(f"it is {phase} ({message or 'in an update'}): finish its update or take it back first")
    if deployment is not None and not referring:
        same = templates_equal(rollout["spec"]["template"], deployment["spec"]["template"])
        if not same:
            raise CannotMigrate(f"Deployment {name} has another template: delete it or make them equal")


def _serves_alone(deployment: Obj, rollout: Obj) -> bool:
    size = number(rollout, "spec", "replicas", default=1)
    return not _not_available(deployment) and number(deployment, "spec", "replicas", default=1) >= size


def _keep_hands_off(old: Ref, rollout: Obj, new: Ref) -> Iterator[Step]:
    if text(rollout, "spec", "workloadRef", "scaleDown") in ("", NEVER):
        return
    patch = {"spec": {"workloadRef": {"scaleDown": NEVER}}}
    yield Step(f"let the controller keep its hands off {new}", Change(old, patch))
    yield Step("wait until it has seen that", Await(old, _not_observed))


def _deploy(new: Ref, rollout: Obj, deployment: Obj | None, size: int) -> Iterator[Step]:
    if deployment is None:
        manifest = deployment_from(rollout)
        yield Step(f"create {_of(manifest, new)}", Create(new, manifest))
    elif number(deployment, "spec", "replicas", default=1) < size:
        yield Step(f"scale {new} to {size}", Change(new, {"spec": {"replicas": size}}))


def _free_services(old: Ref, rollout: Obj) -> Iterator[Step]:
    """Services that select the Rollout's pods alone must reach the Deployment's before those go."""
    services = dict.fromkeys(named_services(rollout))
    if not services:
        return
    canary = dict.fromkeys(part(rollout, "spec", "strategy", "canary"))
    patch = {"spec": {"strategy": {"blueGreen": None, "canary": canary}}}
    yield Step(f"let the controller let go of Services: take them out of the strategy of {old}", Change(old, patch))
    for name in services:
        ref = Ref(SERVICE, old.namespace, name)
        yield Step(f"wait until {ref} selects the pods of both", Await(ref, _still_managed))


def _retarget(autoscalers: Iterable[Obj], old: Ref, new: Ref) -> Iterator[Step]:
    for autoscaler in autoscalers:
        if _targets(autoscaler, old.resource, old.name):
            target = {"apiVersion": new.resource.api_version, "kind": new.resource.kind, "name": new.name}
            ref = Ref(AUTOSCALER, old.namespace, name_of(autoscaler))
            yield Step(f"let {ref} scale {new}", Change(ref, {"spec": {"scaleTargetRef": target}}))


def _targets(autoscaler: Obj, resource: Resource, name: str) -> bool:
    target = part(autoscaler, "spec", "scaleTargetRef")
    return (text(target, "kind"), text(target, "name")) == (resource.kind, name)


def _of(manifest: Obj, ref: Ref) -> str:
    return f"{ref} with {manifest['spec']['replicas']} replicas"


# ── what is still lacking ──


def not_healthy(rollout: Obj | None) -> str:
    if rollout is None:
        return "it is not there"
    phase, message = rollout_phase(rollout)
    size, available = number(rollout, "spec", "replicas", default=1), number(rollout, "status", "availableReplicas")
    if not text(rollout, "status", "observedGeneration"):
        return "no controller has looked at it yet"
    if phase != "Healthy":
        return f"it is {phase}: {message}"
    return "" if available >= size else f"{available} of {size} pods are available"


def not_empty(deployment: Obj | None) -> str:
    if deployment is None:
        return ""
    asked, there = number(deployment, "spec", "replicas", default=1), number(deployment, "status", "replicas")
    return f"it has {max(asked, there)} pods" if asked or there or not _follows(deployment) else ""


def _not_available(deployment: Obj | None) -> str:
    if deployment is None:
        return "it is not there"
    size, status = number(deployment, "spec", "replicas", default=1), part(deployment, "status")
    if not _follows(deployment):
        return "its controller has not seen its last change"
    counts = [number(status, count) for count in ("replicas", "updatedReplicas", "availableReplicas")]
    return "" if counts == [size] * 3 else f"{counts[2]} of {size} pods are available, {counts[1]} up to date"


def _follows(deployment: Obj) -> bool:
    return number(deployment, "status", "observedGeneration") >= number(deployment, "metadata", "generation")


def _not_observed(rollout: Obj | None) -> str:
    if rollout is None:
        return ""
    seen = text(rollout, "status", "observedGeneration")
    return (
        ""
        if not seen or seen == str(number(rollout, "metadata", "generation"))
        else "the controller has not seen it yet"
    )


def _still_managed(service: Obj | None) -> str:
    held = service is not None and POD_TEMPLATE_HASH in part(service, "spec", "selector")
    return "it selects the pods of one version alone" if held else ""


def _still_there(obj: Obj | None) -> str:
    return "" if obj is None else "it is there"
