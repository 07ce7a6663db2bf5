"""API versions of routers as the controller has them, so that what is told here is what it does.

A flag of this command line wins. Otherwise the flags stand in the controller's Deployment, which is found by its label;
where there is none to be seen, the defaults are taken, and that is said.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rollouts.kube.fields import part, parts, text
from rollouts.kube.refs import Obj

if TYPE_CHECKING:
    from rollouts.kube.wire import Wire
    from rollouts.traffic.base import TrafficSettings

NAMES = (
    "istio-api-version",
    "traffic-split-api-version",
    "traefik-api-group",
    "traefik-api-version",
    "ambassador-api-version",
    "appmesh-crd-version",
)
"""The controller's flags that say which API a router has (a test holds them equal to what the dialects depend on)."""
VERSIONED = ("istio", "smi", "traefik", "ambassador", "appMesh")
"""Routers whose API has a version that a flag chooses."""
GROUPED = ("traefik", "ambassador")
"""Those whose API's group is chosen by a flag too."""
_CONTROLLER = "app.kubernetes.io/name=argo-rollouts"
_COMPONENT = "rollouts-controller"
_INSTANCE_ID = "argo-rollouts.argoproj.io/controller-instance-id"


def add_router_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("routers (default: what the controller's Deployment says)")
    for name in NAMES:
        about = f"as the controller's --{name}"
        group.add_argument(f"--{name}", dest=_field(name), default=argparse.SUPPRESS, metavar="VERSION", help=about)


def given_settings(args: argparse.Namespace) -> "TrafficSettings":
    """What this command line says, and defaults."""
    from rollouts.traffic.base import TrafficSettings

    return TrafficSettings(**_given(args))


async def traffic_settings(
    wire: "Wire",
    namespace: str,
    args: argparse.Namespace,
    rollouts: Iterable[Obj],
    routers: Sequence[str] = VERSIONED,
) -> tuple["TrafficSettings", str]:
    """How the controller of these Rollouts reads their routers, and what to tell the user of that ("": nothing).

    Nobody is asked unless a Rollout has one of these `routers`.
    """
    from rollouts.traffic.base import TrafficSettings

    given = _given(args)
    versioned = [each for each in rollouts if _uses(each, routers)]
    if not versioned or len(given) == len(NAMES):
        return TrafficSettings(**given), ""
    found = next(_flags_for(versioned[0], namespace, await _deployments(wire, namespace)), None)
    if found is None:
        missing = "Note: no Deployment of the controller is to be seen, so routers are asked for by their default API"
        return TrafficSettings(**given), "" if given else f"{missing} (--istio-api-version and the like name others)"
    return TrafficSettings(**{**found, **given}), ""


def _field(name: str) -> str:
    return name.replace("-", "_")


def _given(args: argparse.Namespace) -> dict[str, str]:
    return {_field(name): getattr(args, _field(name)) for name in NAMES if hasattr(args, _field(name))}


def _uses(rollout: Obj, routers: Sequence[str]) -> bool:
    routing = part(rollout, "spec", "strategy", "canary", "trafficRouting")
    return any(routing.get(router) is not None for router in routers)


async def _deployments(wire: "Wire", namespace: str) -> list[Obj]:
    """Deployments that may be the controller's: of all namespaces, or of those that may be read."""
    from rollouts.kube.errors import ApiError
    from rollouts.kube.refs import DEPLOYMENT

    found: list[Obj] = []
    for where in ("", namespace, "argo-rollouts"):
        try:
            found += (await wire.list(DEPLOYMENT, where, label_selector=_CONTROLLER)).items
        except ApiError:
            continue
        if not where:
            break
    return found


def _flags_for(rollout: Obj, namespace: str, deployments: Iterable[Obj]) -> Iterator[dict[str, str]]:
    """The router flags of each controller that is responsible for this Rollout."""
    from rollouts.settings.flags import FlagError, read_flags

    instance = text(rollout, "metadata", "labels", _INSTANCE_ID)
    for deployment in deployments:
        if text(deployment, "metadata", "labels", "app.kubernetes.io/component") not in ("", _COMPONENT):
            continue
        try:
            flags: Mapping[str, Any] = read_flags(_words(deployment))
        except FlagError:
            continue
        elsewhere = flags.get("namespaced") and text(deployment, "metadata", "namespace") != namespace
        if flags.get("instance-id", "") == instance and not elsewhere:
            yield {_field(name): flags[name] for name in NAMES if name in flags}


def _words(deployment: Obj) -> list[str]:
    """The flags of its first container, without the words before them."""
    containers = parts(deployment, "spec", "template", "spec", "containers")
    words = [*(containers[0].get("command") or ()), *(containers[0].get("args") or ())] if containers else []
    first = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    return words[first:]
