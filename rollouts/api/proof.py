"""Pure. The annotation by which a Rollout asks for proof that requests follow its weights.

It is only an annotation: Argo Rollouts runs the same manifest and ignores it. Without it nothing here is used.
"""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from analysis.schema import Model, parse_duration
from rollouts.api import labels
from rollouts.api.rollout import Rollout

PREFIX = "traffic.rollouts.dev/"
"""Of every annotation that changes how traffic is moved; one that is not known is refused."""

PROOF = labels.TRAFFIC_PROOF
PLACEHOLDERS = frozenset({"namespace", "rollout", "replicaset", "hash", "window"})
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_PODS = 'namespace="{{namespace}}",pod=~"{{replicaset}}-[a-z0-9]+"'

DEFAULT_REQUESTS = {
    "istio": f'sum(increase(istio_requests_total{{reporter="destination",{_PODS}}}[{{{{window}}}}]))',
    "smi": f'sum(increase(request_total{{direction="inbound",{_PODS}}}[{{{{window}}}}]))',
}
"""What the proxies beside the pods count, by the router's key in the manifest: Istio's sidecars, and Linkerd's."""


class ProofError(ValueError):
    """The annotation cannot be acted on. The text is for the user."""


def _duration(text: Any) -> timedelta:
    if not isinstance(text, str):
        raise ValueError('a duration such as "30s" is wanted')
    span = parse_duration(text)
    if span < timedelta(seconds=1):
        raise ValueError("it must last a second at least")
    return span


_Duration = Annotated[timedelta, BeforeValidator(_duration)]
_After = Literal["proceed", "abort"]


class Proof(Model):
    """What a Rollout asks for.

    `requests` counts the requests that arrived at the pods of one ReplicaSet, in Prometheus at `address`. What happens
    within `settle` of a change is not counted. A share has to lie within `tolerance` (percentage points) of its weight,
    as far as at least `at_least` requests of the last `window` can tell; a version without a share has to be without
    requests for `quiet`. After `longest_wait`, `too_few` says what it means that nothing is known, and `differs` what
    it means that traffic does not follow.
    """

    model_config = ConfigDict(extra="forbid")

    address: str = Field("", strict=True)
    requests: str = Field("", strict=True)
    settle: _Duration = timedelta(seconds=10)
    window: _Duration = timedelta(minutes=5)
    quiet: _Duration = timedelta(seconds=30)
    tolerance: float = Field(5.0, ge=1, le=50, strict=True)
    at_least: int = Field(50, gt=0, strict=True)
    longest_wait: _Duration = timedelta(minutes=10)
    too_few: _After = "proceed"
    differs: _After = "abort"


def proof(rollout: Rollout) -> Proof | None:
    """What a Rollout asks for, with the query that its router implies; None when it asks for nothing. ProofError."""
    annotations = rollout.metadata.annotations
    for key in sorted(annotations):
        if key.startswith(PREFIX) and key != PROOF:
            raise ProofError(f"annotation {key} is not known; {PROOF} is the only one with this prefix")
    if PROOF not in annotations:
        return None
    asked = _read(annotations[PROOF])
    _check_strategy(rollout)
    if asked.requests:
        return asked
    return asked.model_copy(update={"requests": _implied(rollout)})


def fault(rollout: Rollout) -> str:
    """Why the annotations of a Rollout cannot be acted on; "" when they can."""
    try:
        proof(rollout)
    except ProofError as error:
        return str(error)
    return ""


def filled(query: str, **values: str) -> str:
    """A query with its placeholders replaced."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], query)


@lru_cache(maxsize=256)
def _read(text: str) -> Proof:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProofError(f"annotation {PROOF} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ProofError(f"annotation {PROOF} must hold keys and values; {{}} asks for what is usual")
    try:
        asked = Proof.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ProofError(f"annotation {PROOF}: {field + ': ' if field else ''}{first['msg']}") from error
    text = _fault(asked)
    if text:
        raise ProofError(f"annotation {PROOF}: {text}")
    return asked


def _fault(asked: Proof) -> str:
    if asked.settle + asked.quiet > asked.longest_wait:
        return "longestWait is shorter than settle and quiet together"
    named = {found[1] for found in _PLACEHOLDER.finditer(asked.requests)}
    if unknown := sorted(named - PLACEHOLDERS):
        return f"requests: {{{{{unknown[0]}}}}} is not known; there are {', '.join(sorted(PLACEHOLDERS))}"
    if asked.requests and not named & {"replicaset", "hash"}:
        return "requests must count one version: {{replicaset}} or {{hash}} is missing"
    if asked.requests and "window" not in named:
        return "requests must count over {{window}}"
    return ""


def _check_strategy(rollout: Rollout) -> None:
    canary = rollout.spec.strategy.canary
    if rollout.spec.strategy.blue_green is None and (canary is None or canary.traffic_routing is None):
        raise ProofError(f"annotation {PROOF}: without trafficRouting nobody sends traffic by weights")


def _implied(rollout: Rollout) -> str:
    canary = rollout.spec.strategy.canary
    routing = canary.traffic_routing if canary is not None else None
    for router, query in DEFAULT_REQUESTS.items():
        if routing is not None and getattr(routing, router) is not None:
            return query
    known = " and ".join(DEFAULT_REQUESTS)
    raise ProofError(f"annotation {PROOF}: requests is missing: only for {known} it is known what to count")
