"""Pure. What a decision would like to know of the world outside of the cluster, and what it was answered.

A decision never waits for an answer: it says what it wants to know and from when on, and a later pass finds what there
is by then. A question carries all that it depends on, so an answer to an older one is never taken for a newer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from rollouts.api.status import ALBStatus


@dataclass(frozen=True, slots=True)
class CountRequests:
    """How many requests arrived at each of these ReplicaSets, within `window` and not before `since`?

    `query` counts for one ReplicaSet, in Prometheus at `address` ("": the one of the environment).
    """

    address: str
    query: str
    window: timedelta
    since: datetime
    replica_sets: tuple[tuple[str, str], ...]  # (name, hash)


@dataclass(frozen=True, slots=True)
class Counted:
    """Requests by ReplicaSet in the time from `began` to `at`; none of it is known when there is an `error`."""

    at: datetime
    began: datetime
    requests: Mapping[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class CheckWeights:
    """Do the load balancers behind these Ingresses share traffic so?

    `shares` by Service, the canary's first and without stable's, in units of which `whole` are all traffic.
    """

    ingresses: tuple[str, ...]
    port: int
    stable: str
    shares: tuple[tuple[str, int], ...]
    whole: int = 100


@dataclass(frozen=True, slots=True)
class CheckedWeights:
    """`albs`: what was found behind each Ingress, in their order."""

    at: datetime
    verified: bool
    albs: tuple[ALBStatus, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class CheckTargets:
    """Are all endpoints of this Service, which selects `hash`, registered with its load balancers?"""

    service: str
    hash: str


@dataclass(frozen=True, slots=True)
class CheckedTargets:
    """`found`: what is lacking, in words."""

    at: datetime
    verified: bool
    found: str = ""


Question: TypeAlias = CountRequests | CheckWeights | CheckTargets
Answer: TypeAlias = Counted | CheckedWeights | CheckedTargets


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that is open from `due` on; None: what was answered is to be kept."""

    question: Question
    due: datetime | None
