"""A release's verdict is read from the Rollout, and only the right verdict for the right reason counts."""

import pytest

from rollouts.kube.refs import Obj
from rollouts.sandbox.demo.releases import RELEASES, Verdict, as_expected, patch, verdict_on

GOOD, FAULTY, SLOW = RELEASES
ABORT = (
    "RolloutAborted: Rollout aborted update to revision 3: Step-based analysis phase error/failed: "
    'Metric "success-rate" assessed Failed due to failed (4) > failureLimit (3)'
)


def rollout(generation: int = 2, **status: object) -> Obj:
    return {"metadata": {"name": "api", "generation": generation}, "status": {"observedGeneration": "2", **status}}


@pytest.mark.parametrize(
    ("obj", "verdict"),
    [
        (rollout(phase="Healthy", stableRS="a", currentPodHash="a"), Verdict.PROMOTED),
        (rollout(phase="Progressing", stableRS="a", currentPodHash="a"), None),
        (rollout(phase="Paused", stableRS="a", currentPodHash="b"), None),
        (rollout(phase="Degraded", abort=True, stableRS="a", currentPodHash="b"), Verdict.ABORTED),
        (rollout(3, phase="Healthy", stableRS="a", currentPodHash="a"), None),
        ({"metadata": {"name": "api", "generation": 1}}, None),
    ],
)
def test_a_verdict_is_about_the_template_that_was_observed(obj: Obj, verdict: Verdict | None) -> None:
    assert verdict_on(obj) == verdict


def test_an_abort_counts_only_when_the_right_metric_caused_it() -> None:
    assert as_expected(FAULTY, Verdict.ABORTED, ABORT)
    assert not as_expected(SLOW, Verdict.ABORTED, ABORT)
    assert not as_expected(GOOD, Verdict.ABORTED, ABORT)
    assert not as_expected(FAULTY, Verdict.PROMOTED, "")
    assert as_expected(GOOD, Verdict.PROMOTED, "")


def test_each_release_takes_away_what_another_one_scripted() -> None:
    annotations = [patch(release)["spec"]["template"]["metadata"]["annotations"] for release in RELEASES]
    assert annotations == [
        {"sandbox.rollouts.dev/error-rate": None, "sandbox.rollouts.dev/latency": None},
        {"sandbox.rollouts.dev/error-rate": "0.1", "sandbox.rollouts.dev/latency": None},
        {"sandbox.rollouts.dev/error-rate": None, "sandbox.rollouts.dev/latency": "1500ms"},
    ]
