"""Pure. API calls of one client, counted by verb and resource."""

from collections import Counter
from collections.abc import Mapping

from rollouts.sandbox.apiserver.server import Request

Calls = Mapping[str, int]
"""Number of calls by `<verb> <resource>[/<subresource>]`."""

_STANDING = frozenset({"list", "watch"})
_OF_THE_PROCESS = frozenset({"leases"})


def calls_of(actor: str, requests: Mapping[Request, int]) -> Counter[str]:
    """The calls that this actor made for objects. Lists, watches and leases are left out: there are as many of them
    for one Rollout as for a thousand."""
    counted: Counter[str] = Counter()
    for request, number in requests.items():
        if request.actor == actor and request.verb not in _STANDING and request.resource not in _OF_THE_PROCESS:
            what = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
            counted[f"{request.verb} {what}"] += number
    return counted


def status_patches(calls: Mapping[str, float]) -> float:
    """Writes of the Rollouts' status."""
    return sum(number for call, number in calls.items() if call.endswith(" rollouts/status"))


def writes_of(resource: str, calls: Mapping[str, float]) -> float:
    """Everything done to a resource but reading it."""
    return sum(
        number for call, number in calls.items() if call.split()[1].split("/")[0] == resource and call[:4] != "get "
    )
