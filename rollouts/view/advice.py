"""Pure. Where the traffic of a Rollout goes as far as its status knows, and what a person can do with it next."""

from collections.abc import Iterable, Iterator

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.fields import number, part, parts, text
from rollouts.kube.refs import Obj, controller_of, name_of, uid_of
from rollouts.view.phase import rollout_phase
from rollouts.view.weights import max_weight, strategy_of


def traffic_line(rollout: Obj, replica_sets: Iterable[Obj]) -> str:
    """Who gets which share; "" where the status does not say it."""
    strategy = strategy_of(rollout)
    if strategy == "BlueGreen":
        return _services(rollout)
    if strategy != "Canary":
        return ""
    weights = part(rollout, "status", "canary", "weights")
    return _weights(rollout, weights) if weights else _by_pods(rollout, replica_sets)


def _services(rollout: Obj) -> str:
    spec, status = part(rollout, "spec", "strategy", "blueGreen"), part(rollout, "status", "blueGreen")
    pairs = (("active", "activeService", "activeSelector"), ("preview", "previewService", "previewSelector"))
    return ", ".join(
        f"{role} Service {spec[service]} leads to {_version(rollout, text(status, selector))}"
        for role, service, selector in pairs
        if spec.get(service) and text(status, selector)
    )


def _version(rollout: Obj, version: str) -> str:
    stable = version == text(rollout, "status", "stableRS")
    return f"{version} ({'stable' if stable else 'the update'})"


def _weights(rollout: Obj, weights: Obj) -> str:
    shares = ("canary", part(weights, "canary")), ("stable", part(weights, "stable"))
    said = ", ".join(f"{number(share, 'weight')} to {name} {text(share, 'podTemplateHash')}" for name, share in shares)
    verified = {"True": ", verified", "False": ", not verified yet"}.get(str(weights.get("verified")), "")
    return f"of {max_weight(rollout)}, {said}, as written to the router{verified}"


def _by_pods(rollout: Obj, replica_sets: Iterable[Obj]) -> str:
    ours = [each for each in replica_sets if (controller_of(each) or {}).get("uid") == uid_of(rollout)]
    available = {text(each, "metadata", "labels", POD_TEMPLATE_HASH): _available(each) for each in ours}
    new, stable = text(rollout, "status", "currentPodHash"), text(rollout, "status", "stableRS")
    routed = "trafficRouting" in part(rollout, "spec", "strategy", "canary")
    if routed or new == stable or not any(available.values()):
        return ""
    updated = available.get(new, 0)
    return f"goes by pods, of which {updated} of {sum(available.values())} available ones are of the update"


def _available(replica_set: Obj) -> int:
    return number(replica_set, "status", "availableReplicas")


def next_steps(rollout: Obj, flags: str = "") -> Iterator[str]:
    """What a person may do now, with the command for it. `flags` follow each command: ` -n shop`."""
    phase, message = rollout_phase(rollout)
    plugin, name = "kubectl argo rollouts", f"{name_of(rollout)}{flags}"
    updating = text(rollout, "status", "currentPodHash") != text(rollout, "status", "stableRS")
    if message.startswith("InvalidSpec"):
        yield "correct what is named above: until then pods and traffic stay as they are"
    elif message.startswith("RolloutAborted"):
        yield f"`{plugin} retry rollout {name}` begins the update anew"
        yield f"`{plugin} undo {name}` gives it up; so does any other template"
    elif phase == "Paused":
        yield from _promotions(rollout, f"{plugin} promote {name}")
    if updating and phase in ("Paused", "Progressing", "Degraded") and not part(rollout, "status").get("abort"):
        stable = text(rollout, "status", "stableRS")
        if stable and not message.startswith("InvalidSpec"):
            yield f"`{plugin} abort {name}` takes the update back to {stable}"


def _promotions(rollout: Obj, promote: str) -> Iterator[str]:
    reasons = {text(each, "reason") for each in parts(rollout, "status", "pauseConditions")}
    step = text(rollout, "status", "canary", "currentStepAnalysisRunStatus", "status")
    if "InconclusiveExperiment" in reasons or ("InconclusiveAnalysisRun" in reasons and step != "Inconclusive"):
        yield f"`{promote}` lets it be measured once more, `{promote} --full` goes on without"
    elif "InconclusiveAnalysisRun" in reasons:
        yield f"`{promote}` goes on, although the analysis could not tell"
    else:
        yield f"`{promote}` goes on"
