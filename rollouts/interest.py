"""Pure. Whom a change concerns: from an object that changed to the keys of the Rollouts that have to look."""

from collections.abc import Iterable, Iterator

from rollouts.kube.cache import Key
from rollouts.kube.refs import ROLLOUT, Obj, controller_of, name_of, namespace_of
from rollouts.observe.services import named_services

SERVICE_INDEX, JUDGED_INDEX, ROUTED_INDEX = "service", "judged", "routed"


def _strategies(rollout: Obj) -> tuple[Obj, Obj]:
    """Canary and blue-green, {} where it has it not."""
    strategy = (rollout.get("spec") or {}).get("strategy") or {}
    return strategy.get("canary") or {}, strategy.get("blueGreen") or {}


def by_service(rollout: Obj) -> Iterable[str]:
    """Index of Rollouts: `<namespace>/<name>` of every Service that they name."""
    return tuple(f"{namespace_of(rollout)}/{name}" for name in named_services(rollout))


def by_judgement(rollout: Obj) -> Iterable[str]:
    """Index of Rollouts: the namespace of those that use any analysis, and "" for all of them."""
    canary, blue_green = _strategies(rollout)
    steps = canary.get("steps") or ()
    judged = canary.get("analysis") or any("analysis" in step for step in steps if step)
    judged = judged or blue_green.get("prePromotionAnalysis") or blue_green.get("postPromotionAnalysis")
    return (namespace_of(rollout), "") if judged else ()


def by_routing(rollout: Obj) -> Iterable[str]:
    """Index of Rollouts: every text in their traffic routing, among which are the names of the objects that it needs.

    No dialect is known here, so a Rollout may be found by a name that it means otherwise; it then looks once in vain.
    """
    return tuple(dict.fromkeys(_texts(_strategies(rollout)[0].get("trafficRouting"))))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def routing_names(obj: Obj) -> tuple[str, ...]:
    """The ways in which a Rollout may spell the name of this routing object, or select it by its labels.

    A name that was made from another one, with `-canary` behind it, is told by that too.
    """
    namespace, name = key_of(obj)
    selected = (text for pair in (obj["metadata"].get("labels") or {}).items() for text in pair)
    return (name, f"{name}.{namespace}", f"{name}.{namespace}.cluster.local", name.removesuffix("-canary"), *selected)


def follows_pods(rollout: Obj) -> bool:
    """Whether the Rollout's pods have to be known one by one: to follow its metadata, or to be restarted."""
    spec = rollout.get("spec") or {}
    if spec.get("restartAt") and spec["restartAt"] != (rollout.get("status") or {}).get("restartedAt"):
        return True
    strategy = spec.get("strategy") or {}
    canary, blue_green = strategy.get("canary") or {}, strategy.get("blueGreen") or {}
    fields = (
        (canary, "canaryMetadata"),
        (canary, "stableMetadata"),
        (blue_green, "activeMetadata"),
        (
            blue_green,
            "previewMetadata",
        ),
    )
    return any(part.get(name) for part, name in fields)


def owning_rollout(obj: Obj) -> Iterator[Key]:
    """The Rollout that controls an object."""
    owner = controller_of(obj)
    if owner is not None and owner.get("kind") == ROLLOUT.kind and owner.get("apiVersion") == ROLLOUT.api_version:
        yield namespace_of(obj), owner["name"]


def key_of(obj: Obj) -> Key:
    return namespace_of(obj), name_of(obj)


def uses_jobs(run: Obj) -> bool:
    """Whether an AnalysisRun measures by Jobs."""
    metrics = (run.get("spec") or {}).get("metrics") or ()
    return any((metric.get("provider") or {}).get("job") for metric in metrics)
