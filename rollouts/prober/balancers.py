"""Whether load balancers of AWS do what routing objects and Services say: target groups by their tags and bindings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from analysis.providers.base import ProviderError
from analysis.schema import Obj
from rollouts.api.status import ALBStatus, AwsResourceRef
from rollouts.decide import wording
from rollouts.decide.plan import Destination, Event, Split
from rollouts.decide.questions import CheckedTargets, CheckedWeights, CheckTargets, CheckWeights
from rollouts.decide.world import NO_HASH
from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.refs import ENDPOINTS, Resource, namespace_of
from rollouts.kube.wire import Wire
from rollouts.prober.elb import Balancer, TargetGroup
from rollouts.prober.prober import Finding
from rollouts.traffic.base import in_percent

_UNKNOWN = "unknown"


class Balancers(Protocol):
    """What AWS is asked for (`rollouts.prober.elb.Elb`)."""

    async def balancer(self, dns_name: str) -> Balancer | None: ...

    async def targets(self, group: str) -> set[str]: ...


@dataclass(frozen=True, slots=True)
class Names:
    """How things are called: the tag that tells what a target group is for, and the resource of bindings."""

    tag: str
    bindings: Resource


def bindings(api_version: str) -> Resource:
    """The resource of TargetGroupBindings in this group and version."""
    group, _, version = api_version.rpartition("/")
    return Resource(group, version, "targetgroupbindings", "TargetGroupBinding")


Find = Callable[[str, str], Obj | None]
"""An object by namespace and name, as a cache holds it."""


class BalancerChecks:
    """Compares. `ingress` and `service` find those objects; `wire` reads endpoints and bindings."""

    def __init__(
        self, elb: Balancers, wire: Wire, ingress: Find, service: Find, clock: Callable[[], datetime], names: Names
    ) -> None:
        self._elb, self._wire, self._ingress, self._service = elb, wire, ingress, service
        self._clock, self._names = clock, names

    # ── weights ──

    async def weights(self, rollout: Obj, question: CheckWeights) -> Finding[CheckedWeights]:
        """Whether each Ingress' load balancer gives every Service but the stable one its share."""
        namespace, wanted = namespace_of(rollout), _percent(question)
        canary = question.shares[0][0]
        events: list[Event] = []
        albs, verified = [ALBStatus() for _ in question.ingresses], True
        for place, name in enumerate(question.ingresses):
            try:
                alb, fine, told = await self._behind(namespace, name, question, wanted)
            except ProviderError as error:
                text = wording.verify_error(canary, _UNKNOWN, str(error))
                events.append(Event(wording.TARGET_GROUP_VERIFY_ERROR, text, "Warning"))
                events.append(Event(wording.WEIGHT_VERIFY_ERROR, wording.weight_verify_error(str(error)), "Warning"))
                answer = CheckedWeights(self._clock(), False, tuple(albs), str(error))
                return Finding(answer, tuple(events))
            albs[place], verified = alb, verified and fine
            events += told
        return Finding(CheckedWeights(self._clock(), verified, tuple(albs)), tuple(events))

    async def _behind(
        self, namespace: str, name: str, question: CheckWeights, wanted: dict[str, int]
    ) -> tuple[ALBStatus, bool, list[Event]]:
        """What stands behind one Ingress, and whether all of it is as wanted; without a load balancer it is not."""
        alb, verified, events = ALBStatus(ingress=name), False, list[Event]()
        for hostname in _hostnames(self._ingress(namespace, name)):
            balancer = await self._elb.balancer(hostname)
            if balancer is None:
                text = wording.balancer_not_found(hostname)
                return alb, False, [*events, Event(wording.LOAD_BALANCER_NOT_FOUND, text, "Warning")]
            groups = {
                service: self._group(balancer, f"{namespace}/{name}-{service}:{question.port}")
                for service in (*wanted, question.stable)
            }
            alb = _found(alb, balancer, groups[question.shares[0][0]], groups[question.stable])
            told = list(_compared(balancer, groups, wanted, question.stable))
            verified = bool(told) and all(event.type == "Normal" for event in told) and len(told) >= len(wanted)
            events += told
            if not verified:
                break
        return alb, verified, events

    def _group(self, balancer: Balancer, resource: str) -> TargetGroup | None:
        return next((group for group in balancer.groups if group.tags.get(self._names.tag) == resource), None)

    # ── targets ──

    async def targets(self, rollout: Obj, question: CheckTargets) -> Finding[CheckedTargets]:
        """Whether all endpoints of a Service are registered with the target groups that are bound to it."""
        namespace, service = namespace_of(rollout), self._service(namespace_of(rollout), question.service)
        events: list[Event] = []
        bound = _UNKNOWN
        try:
            bindings = [] if service is None else await self._bindings(namespace, service)
            for binding, port in bindings:
                bound = str(binding["spec"].get("targetGroupARN", ""))
                wanted = await self._endpoints(namespace, question, port)
                registered = len(wanted & await self._elb.targets(bound))
                if registered < len(wanted) or not wanted:
                    text = wording.targets_unverified(question.service, bound, registered, len(wanted))
                    events.append(Event(wording.TARGET_GROUP_UNVERIFIED, text, "Warning"))
                    return Finding(CheckedTargets(self._clock(), False, text), tuple(events))
                text = wording.targets_verified(question.service, bound, registered)
                events.append(Event(wording.TARGET_GROUP_VERIFIED, text))
        except (ProviderError, ApiError) as error:
            text = wording.verify_error(question.service, bound, str(error))
            events.append(Event(wording.TARGET_GROUP_VERIFY_ERROR, text, "Warning"))
            return Finding(CheckedTargets(self._clock(), False, text), tuple(events))
        return Finding(CheckedTargets(self._clock(), True), tuple(events))

    async def _bindings(self, namespace: str, service: Obj) -> list[tuple[Obj, Obj]]:
        """The bindings by IP of a Service, each with the Service's port; none where the cluster knows no such kind."""
        try:
            listing = await self._wire.list(self._names.bindings, namespace)
        except NotFound:
            return []
        found = []
        for binding in listing.items:
            spec = binding.get("spec") or {}
            ref = spec.get("serviceRef") or {}
            port = _port(service, ref.get("port"))
            if ref.get("name") == service["metadata"]["name"] and spec.get("targetType") == "ip" and port is not None:
                found.append((binding, port))
        return found

    async def _endpoints(self, namespace: str, question: CheckTargets, port: Obj) -> set[str]:
        """`<ip>:<port>` of the pods with the hash; those that the Service selected before may be there for a moment."""
        endpoints = await self._wire.get(ENDPOINTS, namespace, question.service)
        return {
            f"{address['ip']}:{each['port']}"
            for subset in endpoints.get("subsets") or ()
            for each in subset.get("ports") or ()
            if each.get("name", "") == port.get("name", "")
            for address in subset.get("addresses") or ()
            if question.hash in (address.get("targetRef") or {}).get("name", question.hash)
        }


def _percent(question: CheckWeights) -> dict[str, int]:
    """The share of each Service as the dialect writes it."""
    canary, *others = (Destination(service, NO_HASH, weight) for service, weight in question.shares)
    split = in_percent(Split(canary, Destination(question.stable, NO_HASH, 0), tuple(others), question.whole))
    return {one.service: one.weight for one in (split.canary, *split.additional)}


def _hostnames(ingress: Obj | None) -> Iterator[str]:
    balancer = ((ingress or {}).get("status") or {}).get("loadBalancer") or {}
    yield from filter(None, (each.get("hostname") for each in balancer.get("ingress") or ()))


def _compared(
    balancer: Balancer, groups: dict[str, TargetGroup | None], wanted: dict[str, int], stable: str
) -> Iterator[Event]:
    """For each Service that has a weight in the load balancer: whether it is the one that is wanted."""
    for service, weight in wanted.items():
        group = groups[service]
        weights = _weights(balancer, group, groups[stable]) if group is not None else []
        if group is None or not weights:
            continue
        wrong = next((found for found in weights if found != weight), None)
        if wrong is None:
            text = wording.weight_verified(service, group.arn, weight)
            yield Event(wording.TARGET_GROUP_VERIFIED, text)
        else:
            text = wording.weight_unverified(service, group.arn, weight, wrong)
            yield Event(wording.TARGET_GROUP_UNVERIFIED, text, "Warning")


def _weights(balancer: Balancer, group: TargetGroup, stable: TargetGroup | None) -> list[int]:
    """The weights of a group in the actions that share traffic with stable; a header route's goes to one group only."""
    found = [forward for forward in balancer.forwards if group.arn in forward]
    shared = [forward for forward in found if stable is not None and stable.arn in forward]
    return [forward[group.arn] for forward in shared or found]


def _found(alb: ALBStatus, balancer: Balancer, canary: TargetGroup | None, stable: TargetGroup | None) -> ALBStatus:
    named = AwsResourceRef(name=balancer.name, arn=balancer.arn, full_name="/".join(balancer.arn.split("/")[2:]))
    update = {"load_balancer": named}
    if canary is not None:
        update["canary_target_group"] = _ref(canary)
    if stable is not None:
        update["stable_target_group"] = _ref(stable)
    return alb.model_copy(update=update)


def _ref(group: TargetGroup) -> AwsResourceRef:
    return AwsResourceRef(name=group.name, arn=group.arn, full_name="/".join(group.arn.split("/")[1:]))


def _port(service: Obj, wanted: object) -> Obj | None:
    """The Service's port that a binding names, by number or name."""
    ports = (service.get("spec") or {}).get("ports") or ()
    return next((port for port in ports if wanted in (port.get("port"), port.get("name")) and wanted), None)
