"""The ordering laws for blue-green, over random strategies, random orders of events, crashes and late news.

1. Grow before you pour: the active Service moves to pods that are all there; back to the stable version as soon as
   nobody loses by it.
2. Drain before you shrink: what the active Service selects never gets fewer pods than the rollout asks for.
And: every update ends, by itself or with somebody's promote; a settled rollout writes nothing; time alone changes
nothing before the announced wake-up.
"""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.decide.plan import DeleteReplicaSet, PointService, UpdateReplicaSet
from tests import make
from tests.decide.courses import IMAGES, Deed, LateDeed, do, law, news
from tests.decide.lagging import Lagging

ANALYSIS = {"templates": [{"templateName": "check"}]}

strategies = st.fixed_dictionaries(
    {},
    optional={
        "previewService": st.just(None),
        "previewReplicaCount": st.integers(0, 3),
        "autoPromotionEnabled": st.booleans(),
        "autoPromotionSeconds": st.sampled_from([0, 10]),
        "scaleDownDelaySeconds": st.sampled_from([0, 5]),
        "scaleDownDelayRevisionLimit": st.integers(0, 1),
        "abortScaleDownDelaySeconds": st.sampled_from([0, 5]),
        "prePromotionAnalysis": st.just(ANALYSIS),
        "postPromotionAnalysis": st.just(ANALYSIS),
    },
)

deed = st.one_of(
    st.tuples(st.just("image"), st.sampled_from(IMAGES)),
    st.tuples(st.just("replicas"), st.integers(0, 4)),
    st.tuples(st.just("ready"), st.tuples(st.sampled_from(IMAGES), st.integers(0, 4))),
    st.tuples(st.just("verdict"), st.sampled_from(["Successful", "Successful", "Failed", "Error", "Inconclusive"])),
    st.tuples(st.just("run"), st.just(None)),
    st.tuples(st.just("run"), st.just(None)),
    st.tuples(st.just("abort"), st.just(None)),
    st.tuples(st.just("retry"), st.just(None)),
    st.tuples(st.just("promote"), st.just(None)),
    st.tuples(st.just("full"), st.just(None)),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 40])),
    st.tuples(st.just("pass"), st.one_of(st.none(), st.integers(0, 3))),
    st.tuples(st.just("settle"), st.just(None)),
)
deeds = st.lists(deed, max_size=30)
late_deeds = st.lists(st.tuples(deed, news, st.integers(0, 3)), min_size=3, max_size=25)


class Watched(Lagging):
    """A toy that checks the laws at every single action."""

    def _do(self, action: Any) -> None:
        before = self.behind("active")
        match action:
            case PointService(service="active"):
                self._check_switch(action.hash)
            case UpdateReplicaSet(name=name, replicas=int(count)) if before is not None and before.name == name:
                assert count >= min(self.size, before.replicas), ("users lose pods", action, self.log)
            case DeleteReplicaSet(name=name):
                assert before is None or before.name != name or before.replicas == 0, self.log
        super()._do(action)

    def _check_switch(self, hash: str) -> None:
        before = self.behind("active")
        target = next(rs for rs in self.sets.values() if rs.hash == hash)
        if target.available >= self.size and target.replicas in self.sizes:
            return
        back = hash == self.status.get("stableRS") and "activeSelector" in self.status["blueGreen"]
        assert back, ("poured before grown", self.log)
        assert target.available >= max(1, before.available if before else 0), ("users lose pods", self.log)

    @property
    def size(self) -> int:
        """What is asked for; while a change of that is not heard of, the smaller of the two."""
        return min(self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """What is asked for, and what of that is known."""
        return tuple(int(manifest["spec"]["replicas"]) for manifest in (self.manifest, self.known_manifest))

    def verdict(self, phase: str) -> None:
        for name, run in self.runs.items():
            if not run.finished:
                self.runs[name] = replace(run, phase=phase, message="as measured")


def started(strategy: make.Obj, replicas: int) -> Watched:
    """In the middle of the first update, at its first wait for a person, a verdict or time."""
    services = ("active",) if "previewService" in strategy else ("active", "preview")
    toy = Watched(make.blue_green(replicas=replicas, **strategy), services)
    toy.templates[(False, "check")] = make.analysis_template()
    toy.run()
    toy.image("img:2")
    toy.run()
    return toy


def act(toy: Watched, *acts: Deed) -> None:
    for deed, what in acts:
        if deed == "verdict":
            toy.verdict(what)
        elif deed == "run":
            toy.run()
        else:
            do(toy, deed, what)


def finish(toy: Watched) -> None:
    """Let everything come to its end: no more faults, pods become ready, analyses succeed, pauses are promoted."""
    toy.deaf = False
    if toy.manifest["spec"].get("paused"):
        toy.spec(paused=False)
    for _ in range(12):
        toy.run(toy.now.replace(year=2027))
        unjudged = [run for run in toy.runs.values() if not run.finished]
        if not unjudged and toy.status["phase"] != "Paused":
            return
        toy.verdict("Successful")
        toy.promote()
    raise AssertionError(f"still {toy.phase}: {toy.plan().waits}")


def check_end(toy: Watched) -> None:
    aborted, wanted = toy.status.get("abort"), toy.status["stableRS"]
    assert toy.status["phase"] == ("Degraded" if aborted else "Healthy"), (toy.phase, toy.log)
    kept = aborted and toy.manifest["spec"]["strategy"]["blueGreen"].get("abortScaleDownDelaySeconds") == 0
    for rs in toy.sets.values():
        if rs.hash == wanted:
            assert rs.replicas == toy.size, (rs, toy.log)
        elif not (kept and rs.hash == toy.status["currentPodHash"]):
            assert rs.replicas == 0, (rs, toy.log)
    assert toy.services["active"].hash == wanted == toy.status["blueGreen"]["activeSelector"], toy.log
    if "preview" in toy.services:
        assert toy.services["preview"].hash == toy.status["currentPodHash"]
    assert not toy.step(), "a settled rollout writes nothing"


@settings(max_examples=200)
@given(strategy=strategies, replicas=st.integers(1, 4), deeds=deeds)
def test_a_blue_green_rollout_keeps_the_laws_and_always_ends(
    strategy: make.Obj, replicas: int, deeds: list[Deed]
) -> None:
    toy = started(strategy, replicas)
    act(toy, *deeds)
    finish(toy)
    check_end(toy)


@law
@given(strategy=strategies, replicas=st.integers(1, 4), deeds=late_deeds)
def test_a_blue_green_rollout_keeps_the_laws_on_late_news(
    strategy: make.Obj, replicas: int, deeds: list[LateDeed]
) -> None:
    toy = started(strategy, replicas)
    toy.listen_no_more()
    for deed, heard, passes in deeds:
        act(toy, deed)
        toy.hear(*sorted(heard))
        for _ in range(passes):
            toy.step()
    finish(toy)
    check_end(toy)


@settings(max_examples=100)
@given(strategy=strategies, replicas=st.integers(1, 4), crashes=st.lists(st.integers(0, 3), max_size=30))
def test_users_of_the_active_service_never_lose_a_pod_through_updates_and_crashes(
    strategy: make.Obj, replicas: int, crashes: list[int]
) -> None:
    toy = started(strategy, replicas)
    for image in ("img:3", "img:2", "img:3"):
        toy.image(image)
        for cut in (*crashes, *[None] * 12):
            toy.step(crash_after=cut)
            serving = toy.behind("active")
            assert serving is not None
            assert serving.available >= replicas, toy.log
            if cut is None:
                toy.ready()
                toy.verdict("Successful")
                toy.promote()
                toy.wait(seconds=10)
    finish(toy)
    check_end(toy)


@settings(max_examples=100)
@given(strategy=strategies, deeds=deeds)
def test_until_the_announced_wake_up_time_alone_changes_nothing(strategy: make.Obj, deeds: list[Deed]) -> None:
    toy = started(strategy, 3)
    act(toy, *deeds)
    toy.settle()
    wake = toy.plan().wake_at
    for seconds in (1, 3, 5, 9, 29, 600):
        toy.wait(seconds=seconds)
        if wake is not None and toy.now >= wake:
            return
        assert not toy.step(), (wake, toy.plan().steps)


@settings(max_examples=100)
@given(strategy=strategies, deeds=deeds)
def test_silence_has_a_reason(strategy: make.Obj, deeds: list[Deed]) -> None:
    toy = started(strategy, 3)
    for deed in deeds:
        act(toy, deed)
        plan = toy.plan()
        assert plan.changes or plan.waits
        assert all(wait.because for wait in plan.waits)
