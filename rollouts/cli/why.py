"""`kubectl argo rollouts why`: what a Rollout waits for, and what the controller would do next.

The controller's own decision, made here on what the API server holds now. So it answers also when no controller runs,
and then shows what is left undone.
"""

import argparse
import asyncio
from collections.abc import Iterable, Iterator

from rollouts.cli.session import Session
from rollouts.decide import decide
from rollouts.decide.deeds import told
from rollouts.decide.plan import Plan
from rollouts.interest import follows_pods
from rollouts.kube.cache import Cache, parse_version
from rollouts.kube.errors import NotFound, Refused
from rollouts.kube.refs import Obj
from rollouts.kube.wire import Wire
from rollouts.observe import Observer
from rollouts.observe.asking import Asking
from rollouts.observe.caches import Caches, fresh_caches
from rollouts.observe.workloads import workload_ref
from rollouts.traffic.base import TrafficSettings
from rollouts.traffic.registry import needed_resources
from rollouts.view import rollout_info

_TRAFFIC = TrafficSettings()


async def why(session: Session, args: argparse.Namespace) -> None:
    """Print the state of the Rollout, then what it waits for and what is to be done."""
    rollout = await session.rollout(args.name)
    caches = fresh_caches(_TRAFFIC)
    unread = await _fill(session.wire, session.namespace, caches, rollout)
    # Nobody is asked here; that the controller asks AWS can be seen by what it has written.
    asking = Asking(balancers=bool((rollout.get("status") or {}).get("alb")))
    plan = decide(Observer(caches, _TRAFFIC, asking=asking).world(rollout), session.now())
    for line in (_headline(rollout), *_waits(plan), *_deeds(plan), *unread):
        session.say(line)


async def _fill(wire: Wire, namespace: str, caches: Caches, rollout: Obj) -> list[str]:
    """Read everything that the decision rests on; a line for each kind that may not be read."""
    ref = workload_ref(rollout)
    wanted = [
        caches.replica_sets,
        caches.services,
        caches.analysis_runs,
        caches.analysis_templates,
        caches.cluster_analysis_templates,
        caches.experiments,
        *(caches.routing[resource] for resource in needed_resources(rollout, _TRAFFIC)),
        *([caches.pods] if follows_pods(rollout) else []),
        *([caches.workloads[ref.resource]] if ref is not None else []),
    ]
    return [line for line in await asyncio.gather(*(_read(wire, namespace, cache) for cache in wanted)) if line]


async def _read(wire: Wire, namespace: str, cache: Cache) -> str:
    resource = cache.resource
    # Routing objects may live in another namespace; an Ingress and the like never do.
    where = namespace if resource.namespaced and resource.group != "networking.istio.io" else ""
    try:
        listing = await wire.list(resource, where)
    except NotFound:
        return ""  # a kind that this cluster does not have: the decision says what is missing for it
    except Refused as error:
        return f"Not read: {resource.plural}, so that the answer may be wrong: {error.message}"
    cache.replace(listing.items, parse_version(listing.resource_version), cache.mark)
    return ""


def _headline(rollout: Obj) -> str:
    info = rollout_info(rollout, [], [], [], [])
    step = f", step {info.step}" if info.step else ""
    message = f": {info.message}" if info.message else ""
    return f"{rollout['metadata']['name']} is {info.status}{step}{message}"


def _waits(plan: Plan) -> Iterator[str]:
    for wait in plan.waits:
        until = f" (until {wait.until:%Y-%m-%d %H:%M:%S} UTC)" if wait.until else ""
        yield f"Waits: {wait.because}{until}"


def _deeds(plan: Plan) -> Iterable[str]:
    return (f"To do: {told(action)}" for action in plan.changes)
