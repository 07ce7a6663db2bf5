"""Pure. The releases of the demo: what each is, what should become of it, and how its verdict is read.

All are the same manifest with another image; what is wrong with a release is scripted by annotations of its pods.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rollouts.kube.refs import Obj


class Verdict(StrEnum):
    """What became of a release."""

    PROMOTED = "promoted"
    ABORTED = "aborted"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Release:
    """One version, and the verdict it deserves; `metric` is the one that should take it back."""

    version: str
    title: str
    verdict: Verdict = Verdict.PROMOTED
    metric: str = ""
    script: Mapping[str, str] = field(default_factory=dict)
    """Annotations of its pods, without their prefix."""


FIRST = Release("1.0.0", "as Rollout")
RELEASES = (
    Release("2.0.0", "good"),
    Release("3.0.0", "10 % errors", Verdict.ABORTED, "success-rate", {"error-rate": "0.1"}),
    Release("4.0.0", "slow", Verdict.ABORTED, "latency-p99", {"latency": "1500ms"}),
)

_PREFIX = "sandbox.rollouts.dev/"
_IMAGE = "example.com/api"


def patch(release: Release) -> Obj:
    """The merge patch that brings a release into the manifest: the image, and all annotations of the pods."""
    known = {key for other in RELEASES for key in other.script}
    annotations = {f"{_PREFIX}{key}": release.script.get(key) for key in sorted(known)}
    container = {"name": "api", "image": f"{_IMAGE}:{release.version}", "ports": [{"containerPort": 8080}]}
    return {"spec": {"template": {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}}}


def verdict_on(rollout: Obj) -> Verdict | None:
    """What became of the template that the Rollout has now; None while that is open."""
    status = rollout.get("status") or {}
    if str(status.get("observedGeneration", "")) != str(rollout["metadata"].get("generation", "")):
        return None
    if status.get("abort"):
        return Verdict.ABORTED
    promoted = status.get("stableRS") and status.get("stableRS") == status.get("currentPodHash")
    return Verdict.PROMOTED if promoted and status.get("phase") == "Healthy" else None


def reason_of(rollout: Obj) -> str:
    """What the Rollout says about itself."""
    return str((rollout.get("status") or {}).get("message", ""))


def as_expected(release: Release, verdict: Verdict, reason: str) -> bool:
    """Whether it went as it should, and for the right reason: the metric that was to stop it is the one that did."""
    if verdict is not release.verdict:
        return False
    return not release.metric or f'"{release.metric}" assessed Failed' in reason
