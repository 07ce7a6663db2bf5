"""What AWS says of its load balancers: the few calls that verification needs, signed, over the shared connections.

Answers come in pages, and all of them are read. What a name leads to is remembered, as it never changes.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from analysis.providers import aws
from analysis.providers.base import ProviderError
from analysis.providers.http import Http, HttpError
from analysis.schema import Obj

TIMEOUT = timedelta(seconds=30)
_SERVICE, _SIGNED_AS = "elbv2", "elasticloadbalancing"
_PAGE = 300
_TAGS_AT_ONCE = 20  # the API takes no more


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group of a load balancer."""

    name: str
    arn: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Balancer:
    """A load balancer, its target groups, and its forward actions: each the weights of some of them by ARN."""

    name: str
    arn: str
    groups: tuple[TargetGroup, ...] = ()
    forwards: tuple[dict[str, int], ...] = ()


class Elb:
    """The API of one region, that of the environment. Every method may raise ProviderError."""

    def __init__(self, http: Http, clock: Callable[[], datetime]) -> None:
        self._http, self._clock = http, clock
        self._known: dict[str, tuple[str, str]] = {}  # name and ARN of a load balancer by its DNS name

    async def balancer(self, dns_name: str) -> Balancer | None:
        """The load balancer with this DNS name, or None."""
        found = self._known.get(dns_name) or await self._find(dns_name)
        if found is None:
            return None
        name, arn = found
        try:
            groups = [group async for group in self._groups(arn)]
            forwards = [forward async for forward in self._forwards(arn)]
        except ProviderError:
            self._known.pop(dns_name, None)  # it may be another one of the same name by now
            raise
        return Balancer(name, arn, tuple(groups), tuple(forwards))

    async def targets(self, group: str) -> set[str]:
        """`<ip>:<port>` of everything that is registered with a target group, in whatever health."""
        answer = await self._call("DescribeTargetHealth", TargetGroupArn=group)
        found = (each.get("Target") or {} for each in answer.get("TargetHealthDescriptions") or ())
        return {f"{target.get('Id')}:{target.get('Port')}" for target in found}

    async def _find(self, dns_name: str) -> tuple[str, str] | None:
        async for each in self._pages("DescribeLoadBalancers", "LoadBalancers", PageSize=_PAGE):
            self._known[each.get("DNSName", "")] = (each["LoadBalancerName"], each["LoadBalancerArn"])
            if each.get("DNSName") == dns_name:
                return self._known[dns_name]
        return None

    async def _groups(self, arn: str) -> AsyncIterator[TargetGroup]:
        found = [each async for each in self._pages("DescribeTargetGroups", "TargetGroups", LoadBalancerArn=arn)]
        for some in _batches(found, _TAGS_AT_ONCE):
            answer = await self._call("DescribeTags", ResourceArns=[each["TargetGroupArn"] for each in some])
            tags = {
                each["ResourceArn"]: {tag["Key"]: tag.get("Value", "") for tag in each.get("Tags") or ()}
                for each in answer.get("TagDescriptions") or ()
            }
            for each in some:
                yield TargetGroup(each["TargetGroupName"], each["TargetGroupArn"], tags.get(each["TargetGroupArn"], {}))

    async def _forwards(self, arn: str) -> AsyncIterator[dict[str, int]]:
        async for listener in self._pages("DescribeListeners", "Listeners", LoadBalancerArn=arn):
            async for rule in self._pages("DescribeRules", "Rules", ListenerArn=listener["ListenerArn"]):
                for action in rule.get("Actions") or ():
                    weighed = (action.get("ForwardConfig") or {}).get("TargetGroups") or ()
                    if weighed:
                        yield {each["TargetGroupArn"]: each.get("Weight", 1) for each in weighed}

    async def _pages(self, operation: str, key: str, **asked: Any) -> AsyncIterator[Obj]:
        marker: dict[str, str] = {}
        while True:
            answer = await self._call(operation, **asked, **marker)
            for each in answer.get(key) or ():
                yield each
            if not answer.get("NextMarker"):
                return
            marker = {"Marker": answer["NextMarker"]}

    async def _call(self, operation: str, **asked: Any) -> Obj:
        now = self._clock()
        signer = await aws.signer(aws.Account(), now)
        api = await aws.api(_SERVICE, signer.region, now)
        request = signer.signed(api.write(operation, asked, TIMEOUT), _SIGNED_AS)
        try:
            return api.read(operation, await self._http.send(request))
        except HttpError as error:
            raise ProviderError(str(error)) from error


def _batches(all_of_them: Sequence[Obj], size: int) -> Iterable[Sequence[Obj]]:
    return (all_of_them[start : start + size] for start in range(0, len(all_of_them), size))
