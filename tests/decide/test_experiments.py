"""Canaries with experiment steps: what they start and stop, and the laws over random courses and crashes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rollouts.api.template import pod_template_hash
from rollouts.decide import plan as say
from rollouts.decide.world import Experiment, Hash, Version, World
from tests import make
from tests.decide.courses import check_end, do, finish, law, news
from tests.decide.watched import Watched

Obj = dict[str, Any]
IMAGES = ("img:1", "img:2", "img:3")


def ported(image: str) -> Obj:
    """A pod template whose container can be reached."""
    template = make.template(image)
    template["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    return template


class Trying(Watched):
    """A toy in which Experiments are what a test says. Shares always add up to all of the traffic, and go to running
    Experiments only."""

    def __init__(self, manifest: Obj, services: tuple[str, ...] = ()) -> None:
        manifest["spec"]["template"] = ported("img:1")
        super().__init__(manifest, services)
        self.experiments: dict[str, Experiment] = {}
        self.started: list[str] = []
        self.shares: dict[str, int] = {}

    def image(self, image: str) -> None:
        super().image(image)
        self.manifest["spec"]["template"] = ported(image)

    def ready(self, image: str | None = None, count: int | None = None) -> None:
        for name, rs in self.sets.items():
            if image is None or rs.hash == pod_template_hash(ported(image)):
                up = rs.replicas if count is None else min(count, rs.replicas)
                self.sets[name] = replace(rs, current=rs.replicas, ready=up, available=up)

    def become(self, phase: str) -> None:
        """The Experiments that have not ended come to this."""
        for name, one in self.experiments.items():
            if not one.finished:
                running = phase == "Running"
                versions = tuple(
                    Version(template["name"], running, f"{name}-{template['name']}" if running else "", Hash("x"))
                    for template in one.spec["templates"]
                )
                self.experiments[name] = replace(one, phase=phase, versions=versions, pods=0)

    @property
    def alive(self) -> list[Experiment]:
        return [one for one in self.experiments.values() if not (one.finished or one.terminate)]

    def world(self) -> World:
        return replace(super().world(), experiments=tuple(self.experiments.values()))

    def run(self, until: Any = None, most: int = 60) -> None:
        super().run(until, most)
        while self.alive:
            self.become("Running")
            super().run(until, most)
            self.become("Successful")
            super().run(until, most)

    def _do(self, action: Any) -> None:
        match action:
            case say.StartExperiment(name=name, manifest=manifest):
                assert name not in self.experiments
                hash = Hash(manifest["metadata"]["labels"]["rollouts-pod-template-hash"])
                self.experiments[name] = Experiment(name, self.now, hash=hash, spec=manifest["spec"])
                self.started.append(name)
                assert not self.status.get("pauseConditions"), ("started while paused", self.log)
            case say.StopExperiment(name=name):
                one = self.experiments[name]
                self.experiments[name] = replace(one, terminate=True, phase=one.phase if one.finished else "Successful")
            case say.DeleteExperiment(name=name):
                assert self.experiments[name].finished
                del self.experiments[name]
            case say.SetWeight(split=split):
                shares = (split.canary, split.stable, *split.additional)
                assert sum(one.weight for one in shares) == split.max_weight
                self.shares = {one.service: one.weight for one in split.additional}
                if self.shares:
                    assert any(one.phase == "Running" for one in self.alive), self.log
                super()._do(action)
            case _:
                super()._do(action)


def tries(weight: int | None = None, **rest: Any) -> Obj:
    template = {"name": "v", "specRef": "canary"} | ({} if weight is None else {"weight": weight})
    return {"experiment": {"templates": [template], **rest}}


def routed(*steps: Obj) -> Trying:
    """A toy that has reached the experiment step at index 1 of a release of img:2."""
    toy = Trying(make.rollout(make.weight(20), *steps, canary=make.ISTIO), ("stable", "canary"))
    toy.run()
    toy.image("img:2")
    for _ in range(4):
        toy.settle()
        toy.ready()
    toy.settle()
    return toy


# ── one by one ──


def test_the_weight_follows_the_phase() -> None:
    toy = routed(tries(10), make.pause())
    (name,) = toy.started
    assert toy.status["canary"]["currentExperiment"] == name
    for phase, shares in (
        ("Pending", {}),
        ("Running", {f"{name}-v": 10}),
        ("Pending", {}),
        ("Running", {f"{name}-v": 10}),
    ):
        toy.become(phase)
        toy.settle()
        assert toy.shares == shares
        assert toy.weights == (20, 70 if shares else 80)
    toy.become("Successful")
    toy.settle()
    assert toy.shares == {}
    assert toy.phase == "Paused CanaryPauseStep"
    assert "currentExperiment" not in toy.status["canary"]


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_bad_end_aborts(phase: str) -> None:
    toy = routed(tries(), make.pause())
    toy.become(phase)
    toy.settle()
    assert toy.phase.startswith("Degraded RolloutAborted: ")
    assert "currentExperiment" not in toy.status["canary"]


def test_an_unclear_end_pauses_once_and_a_resume_tries_once_more() -> None:
    toy = routed(tries(), make.pause())
    toy.become("Inconclusive")
    toy.settle()
    assert toy.phase == "Paused InconclusiveExperiment"
    for _ in range(5):
        toy.wait(hours=1)
        assert not toy.step()
    toy.promote()
    toy.settle()
    first, second = toy.started
    assert second == f"{first}-1"
    assert toy.status["canary"]["currentExperiment"] == second
    assert "controllerPause" not in toy.status


def test_a_pause_of_another_reason_holds_an_experiment_back() -> None:
    toy = Trying(make.rollout(make.weight(20), make.pause(), tries(), canary=make.ISTIO), ("stable", "canary"))
    toy.run()
    toy.image("img:2")
    for _ in range(4):
        toy.settle()
        toy.ready()
    toy.settle()
    toy.patch_status(pauseConditions=[{"reason": "InconclusiveAnalysisRun", "startTime": "2026-01-01T12:00:00Z"}])
    toy.patch_status(currentStepIndex=2)
    toy.settle()
    assert toy.started == []
    toy.promote()
    toy.settle()
    assert len(toy.started) == 1


def test_an_experiment_that_somebody_deletes_is_started_again() -> None:
    toy = routed(tries())
    (name,) = toy.started
    del toy.experiments[name]
    toy.settle()
    assert toy.started == [name, name]


def test_an_equal_experiment_that_runs_is_taken_over() -> None:
    toy = routed(tries())
    toy.status["canary"].pop("currentExperiment")
    toy.settle()
    assert len(toy.started) == 1
    assert toy.status["canary"]["currentExperiment"] == toy.started[0]


def test_one_with_pods_is_not_forgotten_yet() -> None:
    toy = routed(tries(), make.pause())
    toy.spec(analysis={"successfulRunHistoryLimit": 0})
    (name,) = toy.started
    toy.become("Successful")
    toy.experiments[name] = replace(toy.experiments[name], pods=1)
    toy.settle()
    assert name in toy.experiments
    toy.experiments[name] = replace(toy.experiments[name], pods=0)
    toy.settle()
    assert name not in toy.experiments


def test_shares_never_exceed_all_of_the_traffic() -> None:
    toy = Trying(make.rollout(make.weight(100), tries(5), canary=make.ISTIO), ("stable", "canary"))
    toy.run()
    toy.image("img:2")
    for _ in range(4):
        toy.settle()
        toy.ready()
    toy.become("Running")
    toy.settle()
    assert (toy.weights, toy.shares) == ((95, 0), {f"{toy.alive[0].name}-v": 5})
    toy.run()
    assert toy.phase == "Healthy"


# ── laws ──

basic = st.one_of(
    st.sampled_from([0, 20, 50, 80]).map(make.weight),
    st.sampled_from([make.pause(), make.pause("10s")]),
    st.sampled_from([tries(), tries(10), tries(20, duration="10s")]),
)
steps = st.lists(basic, min_size=1, max_size=5)
deed = st.one_of(
    st.tuples(st.just("image"), st.sampled_from(IMAGES)),
    st.tuples(st.just("replicas"), st.integers(0, 4)),
    st.tuples(st.just("ready"), st.tuples(st.sampled_from(IMAGES), st.integers(0, 4))),
    st.tuples(st.just("abort"), st.none()),
    st.tuples(st.just("retry"), st.none()),
    st.tuples(st.just("promote"), st.none()),
    st.tuples(st.just("full"), st.none()),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 40])),
    st.tuples(st.just("pass"), st.one_of(st.none(), st.integers(0, 3))),
    st.tuples(st.just("settle"), st.none()),
    st.tuples(
        st.just("become"),
        st.sampled_from(["Pending", "Running", "Running", "Successful", "Failed", "Error", "Inconclusive"]),
    ),
)
deeds = st.lists(deed, max_size=30)
late_deeds = st.lists(st.tuples(deed, news, st.integers(0, 3)), min_size=3, max_size=25)


@law
@given(steps=steps, replicas=st.integers(1, 4), deeds=deeds)
def test_a_canary_that_tries_keeps_the_laws_and_always_ends(steps: Any, replicas: int, deeds: Any) -> None:
    toy = Trying(make.rollout(*steps, replicas=replicas, canary=make.ISTIO), ("stable", "canary"))
    toy.run()
    for deed, what in deeds:
        act(toy, deed, what)
        if deed == "settle":
            assert len(toy.alive) <= 1, toy.log
    finish(toy)
    check_tried(toy)


@law
@given(steps=steps, replicas=st.integers(1, 4), dynamic=st.booleans(), deeds=late_deeds)
def test_a_canary_that_tries_keeps_the_laws_on_late_news(steps: Any, replicas: int, dynamic: bool, deeds: Any) -> None:
    canary = {**make.ISTIO, "dynamicStableScale": dynamic}
    toy = Trying(make.rollout(*steps, replicas=replicas, canary=canary), ("stable", "canary"))
    toy.run()
    toy.image("img:2")
    toy.settle()
    toy.ready()
    toy.listen_no_more()
    for deed, heard, passes in deeds:
        act(toy, *deed)
        toy.hear(*sorted(heard))
        for _ in range(passes):
            toy.step()
    finish(toy)
    check_tried(toy)


def act(toy: Trying, deed: str, what: Any) -> None:
    if deed == "become":
        toy.become(what)
    else:
        do(toy, deed, what)


def check_tried(toy: Trying) -> None:
    """It came to its end, and nothing is left of what was tried."""
    check_end(toy)
    assert toy.alive == []
    assert toy.shares == {}
    assert "currentExperiment" not in toy.status["canary"]


@settings(max_examples=100, phases=[Phase.generate])
@given(crashes=st.lists(st.integers(0, 2), max_size=20))
def test_each_experiment_is_started_once_whenever_the_controller_crashes(crashes: Any) -> None:
    toy = Trying(make.rollout(make.weight(20), tries(10), tries(), canary=make.ISTIO), ("stable", "canary"))
    toy.run()
    toy.image("img:2")
    for cut in (*crashes, *[None] * 30):
        toy.step(cut)
        toy.ready()
        if cut is None:
            toy.become("Successful" if toy.alive and toy.alive[0].phase == "Running" else "Running")
    finish(toy)
    check_end(toy)
    assert len(toy.started) == 2
