"""`kubectl argo rollouts why`: what a Rollout waits for, and what the controller would do next.

The controller's own decision, made here on what the API server holds now. So it answers also when no controller runs,
and then shows what is left undone. Below it stands what keeps pods and measurements from being good, where the traffic
goes, and what a person can do.
"""

import argparse
import asyncio
from collections.abc import Iterator

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.cli.leader import leader
from rollouts.cli.routers import traffic_settings
from rollouts.cli.session import Session
from rollouts.decide import decide
from rollouts.decide.deeds import told
from rollouts.decide.plan import Plan
from rollouts.interest import follows_pods
from rollouts.kube.cache import Cache, parse_version
from rollouts.kube.errors import ApiError, NotFound, Refused
from rollouts.kube.refs import EVENT, POD, Obj, uid_of
from rollouts.kube.wire import Wire
from rollouts.observe import Observer
from rollouts.observe.asking import Asking
from rollouts.observe.caches import Caches, fresh_caches
from rollouts.observe.workloads import workload_ref
from rollouts.traffic.base import TrafficSettings
from rollouts.traffic.registry import needed_resources
from rollouts.view import rollout_info, rollout_phase
from rollouts.view.advice import next_steps, traffic_line
from rollouts.view.trouble import in_course, pod_troubles, run_troubles, since_update, warnings

_MOMENTS = ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%SZ")


async def why(session: Session, args: argparse.Namespace) -> None:
    """Print the state of the Rollout, then what it waits for, what is to be done, and by whom."""
    rollout = await session.rollout(args.name)
    traffic, note = await traffic_settings(session.wire, session.namespace, args, [rollout])
    caches = fresh_caches(traffic)
    pods = Cache(POD)  # that of the decision keeps only what decisions read
    unread = await _fill(session, caches, rollout, traffic, note)
    unread += [line for line in [await _read(session.wire, session.namespace, pods)] if line]
    # Nobody is asked here; that the controller asks AWS can be seen by what it has written.
    asking = Asking(balancers=bool((rollout.get("status") or {}).get("alb")))
    plan = decide(Observer(caches, traffic, asking=asking).world(rollout), session.now())
    acts, who = await leader(session.wire, rollout, session.now())
    flags = f" -n {args.namespace}" if getattr(args, "namespace", "") else ""
    headline = _headline(rollout)
    decided = (*_waits(plan, headline), *_deeds(plan, who if plan.changes or not acts else ""))
    well = rollout_phase(rollout).phase == "Healthy"
    told = [] if well else await _warned(session, rollout, caches, headline)
    for line in (headline, *decided, *told, *_around(rollout, caches, pods, flags), *unread):
        session.say(line)


async def _warned(session: Session, rollout: Obj, caches: Caches, headline: str) -> list[str]:
    """What the controller could not do of late and for this version, which is told by Events alone."""
    about = f"involvedObject.kind=Rollout,involvedObject.name={rollout['metadata']['name']},type=Warning"
    try:
        events = (await session.wire.list(EVENT, session.namespace, field_selector=about)).items
    except ApiError as error:
        return [f"Not read: events: {error.message}"]
    ours = [each for each in events if each["involvedObject"].get("uid") == uid_of(rollout)]  # and not a namesake's
    recent = since_update(rollout, caches.replica_sets.objects(), ours)
    return [f"Warned: {line}" for line in warnings(recent, session.now()) if line.partition(": ")[2] not in headline]


def _around(rollout: Obj, caches: Caches, pods: Cache, flags: str) -> Iterator[str]:
    """What the status does not say of pods, measurements and traffic, and what a person can do."""
    replica_sets = caches.replica_sets.objects()
    runs = caches.analysis_runs.objects()
    for owner in in_course(rollout, caches.experiments.objects()):
        yield from (f"Pods: {line}" for line in pod_troubles(owner, replica_sets, pods.objects()))
        yield from (f"Analysis: {line}" for line in run_troubles(owner, runs))
    traffic = traffic_line(rollout, replica_sets)
    if traffic and rollout_phase(rollout).phase != "Healthy":
        yield f"Traffic: {traffic}"
    yield from (f"Next: {line}" for line in next_steps(rollout, flags))


async def _fill(session: Session, caches: Caches, rollout: Obj, traffic: TrafficSettings, note: str) -> list[str]:
    """Read everything that the decision rests on.

    A line for each kind that may not be read, and `note` where the kind of a router is not there.
    """
    wire, namespace = session.wire, session.namespace
    ref = workload_ref(rollout)
    wanted = [
        caches.replica_sets,
        caches.services,
        caches.analysis_runs,
        caches.analysis_templates,
        caches.cluster_analysis_templates,
        caches.experiments,
        *(caches.routing[resource] for resource in needed_resources(rollout, traffic)),
        *([caches.pods] if follows_pods(rollout) else []),
        # Who else refers to the same workload matters too.
        *([caches.workloads[ref.resource], caches.rollouts] if ref is not None else []),
    ]
    said = {id(cache): note for cache in caches.routing.values()}
    reading = (_read(wire, namespace, cache, said.get(id(cache), "")) for cache in wanted)
    return [line for line in await asyncio.gather(*reading) if line]


async def _read(wire: Wire, namespace: str, cache: Cache, missing: str = "") -> str:
    resource = cache.resource
    # Routing objects may live in another namespace; an Ingress and the like never do.
    where = namespace if resource.namespaced and resource.group != "networking.istio.io" else ""
    try:
        hashed = POD_TEMPLATE_HASH if resource is POD else ""
        listing = await wire.list(resource, where, label_selector=hashed)
    except NotFound:
        return missing  # a kind that this cluster does not have: the decision says what is missing for it
    except Refused as error:
        return f"Not read: {resource.plural}, so that the answer may be wrong: {error.message}"
    cache.replace(listing.items, parse_version(listing.resource_version), cache.mark)
    return ""


def _headline(rollout: Obj) -> str:
    info = rollout_info(rollout, [], [], [], [])
    step = f", step {info.step}" if info.step else ""
    message = f": {info.message}" if info.message else ""
    return f"{rollout['metadata']['name']} is {info.status}{step}{message}"


def _waits(plan: Plan, headline: str) -> Iterator[str]:
    for wait in plan.waits:
        if wait.until is None and wait.because in headline:
            continue  # it was just said
        told = wait.until is None or any(f"{wait.until:{form}}" in wait.because for form in _MOMENTS)
        until = "" if told else f" (until {wait.until:%Y-%m-%d %H:%M:%S} UTC)"
        yield f"Waits: {wait.because}{until}"


def _deeds(plan: Plan, who: str) -> Iterator[str]:
    yield from (f"To do: {told(action)}" for action in plan.changes)
    if who:
        yield f"Controller: {who}"
