"""How long versions are kept and progress is waited for, to the second: absent, given, at the edges, changed."""

import pytest

from tests import make
from tests.decide import bluegreen
from tests.decide.canary import V1, V2, V3, deployed, routed, sizes


@pytest.mark.parametrize(("given", "seconds"), [(None, 30), (5, 5), (0, 0), (-1, 0)])
@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_a_version_that_was_replaced_is_kept_for_its_delay(strategy: str, given: int | None, seconds: int) -> None:
    if strategy == "canary":
        toy = routed(scaleDownDelaySeconds=given)
    else:
        toy = bluegreen.deployed(5, scaleDownDelaySeconds=given)
    toy.image(V2)
    toy.run()
    assert toy.phase == "Healthy"
    if seconds:
        toy.wait(seconds=seconds - 1)
        toy.run()
        assert sizes(toy, V1, V2) == [5, 5]
        toy.wait(seconds=1)
        toy.run()
    assert sizes(toy, V1, V2) == [0, 5]


@pytest.mark.parametrize(("given", "seconds"), [(None, 30), (5, 5), (0, None)])
@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_an_aborted_version_is_kept_for_its_delay(strategy: str, given: int | None, seconds: int | None) -> None:
    """A delay of none keeps a preview for good; a canary is then sized like any other, by its weight of 0."""
    if strategy == "canary":
        toy = routed(make.weight(100), make.pause(), abortScaleDownDelaySeconds=given)
    else:
        toy = bluegreen.deployed(5, autoPromotionEnabled=False, abortScaleDownDelaySeconds=given)
    toy.image(V2)
    toy.run()
    toy.abort()
    toy.run()
    if seconds is None:
        toy.wait(days=9)
        toy.run()
        assert sizes(toy, V1, V2) == [5, 0 if strategy == "canary" else 5]
        return
    toy.wait(seconds=seconds - 1)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 5]
    toy.wait(seconds=1)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 0]


def test_an_abort_delay_that_is_taken_away_ends_at_once() -> None:
    toy = routed(make.weight(100), make.pause(), abortScaleDownDelaySeconds=1000)
    toy.image(V2)
    toy.run()
    toy.abort()
    toy.run()
    assert sizes(toy, V2) == [5]
    toy.manifest["spec"]["strategy"]["canary"]["abortScaleDownDelaySeconds"] = 0
    toy.run()
    assert sizes(toy, V2) == [0]


def test_without_a_router_a_canary_knows_no_abort_delay() -> None:
    toy = deployed(make.weight(40), make.pause(), canary={"abortScaleDownDelaySeconds": 1000})
    toy.image(V2)
    toy.run()
    toy.abort()
    toy.run()
    assert sizes(toy, V1, V2) == [5, 0]


@pytest.mark.parametrize(("limit", "kept"), [(None, [5, 5]), (1, [0, 5]), (0, [0, 0]), (-1, [0, 0])])
@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_as_many_replaced_versions_are_kept_as_the_limit_says_the_newest_first(
    strategy: str, limit: int | None, kept: list[int]
) -> None:
    if strategy == "canary":
        toy = routed(scaleDownDelayRevisionLimit=limit)
    else:
        toy = bluegreen.deployed(5, scaleDownDelayRevisionLimit=limit)
    for image in (V2, V3):
        toy.image(image)
        toy.run()
    assert sizes(toy, V1, V2, V3) == [*kept, 5]


@pytest.mark.parametrize(("given", "seconds"), [({}, 600), ({"progressDeadlineSeconds": 60}, 60)])
@pytest.mark.parametrize("abort", [None, False, True])
def test_progress_has_to_be_made_within_its_deadline(given: make.Obj, seconds: int, abort: bool | None) -> None:
    toy = deployed(make.weight(20), make.pause(), **given, progressDeadlineAbort=abort)
    toy.image(V2)
    toy.settle()
    toy.wait(seconds=seconds)
    toy.settle()
    assert toy.phase == "Progressing more replicas need to be updated"
    toy.wait(seconds=1)
    toy.settle()
    assert toy.phase.startswith("Degraded RolloutAborted" if abort else "Degraded ProgressDeadlineExceeded")
    assert bool(toy.status.get("abort")) == bool(abort)


def test_a_deadline_that_is_moved_in_mid_update_counts_from_the_last_progress() -> None:
    toy = deployed(make.weight(20), make.pause())
    toy.image(V2)
    toy.settle()
    toy.wait(seconds=61)
    toy.spec(progressDeadlineSeconds=60)
    toy.settle()
    assert toy.phase.startswith("Degraded ProgressDeadlineExceeded")
