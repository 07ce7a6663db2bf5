"""The ordering laws, over random specs, random orders of events and crashes after any action.

1. Grow before you pour: a share moves to a destination only when available pods cover it.
2. Drain before you shrink: pods go only below what the recorded share needs.
3. Rename only what is empty: a destination changes hash only while its recorded share is 0, or to a full stable.
4. Record last: the status never claims what did not happen.
And: every update ends, by itself or with somebody's promote; a settled rollout writes nothing.
"""

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollouts.decide.plan import PointService
from tests import make
from tests.decide.toy import Toy

IMAGES = ("img:1", "img:2", "img:3")

basic = st.one_of(
    st.integers(0, 100).map(make.weight),
    st.sampled_from([make.pause(), make.pause("10s"), make.pause(0)]),
)
steps = st.lists(basic, max_size=5)
scales = st.sampled_from([{"replicas": 1}, {"replicas": 3}, {"weight": 50}, {"matchTrafficWeight": True}])
routed_steps = st.lists(st.one_of(basic, scales.map(lambda scale: {"setCanaryScale": scale})), max_size=6)

deeds = st.lists(
    st.one_of(
        st.tuples(st.just("image"), st.sampled_from(IMAGES)),
        st.tuples(st.just("replicas"), st.integers(0, 6)),
        st.tuples(st.just("ready"), st.tuples(st.sampled_from(IMAGES), st.integers(0, 6))),
        st.tuples(st.just("abort"), st.just(None)),
        st.tuples(st.just("retry"), st.just(None)),
        st.tuples(st.just("promote"), st.just(None)),
        st.tuples(st.just("full"), st.just(None)),
        st.tuples(st.just("skip"), st.integers(1, 6)),
        st.tuples(st.just("pause"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([1, 10, 40])),
        st.tuples(st.just("pass"), st.one_of(st.none(), st.integers(0, 3))),
        st.tuples(st.just("settle"), st.just(None)),
    ),
    max_size=30,
)

canaries = st.fixed_dictionaries(
    {"maxSurge": st.integers(1, 3), "maxUnavailable": st.integers(0, 2)},
    optional={
        "abortScaleDownDelaySeconds": st.sampled_from([0, 5, 30]),
        "minPodsPerReplicaSet": st.integers(1, 3),
        "dynamicStableScale": st.booleans(),
    },
)
ROUTED_ONLY = ("abortScaleDownDelaySeconds", "minPodsPerReplicaSet", "dynamicStableScale")


def do(toy: Toy, deed: str, what: Any) -> None:  # noqa: C901 – because it is one table
    match deed:
        case "image":
            toy.image(what)
        case "replicas":
            toy.spec(replicas=what)
        case "ready":
            toy.ready(*what)
        case "abort":
            toy.patch_status(abort=True)
        case "retry":
            toy.patch_status(abort=False)
        case "promote":
            toy.patch_status(pauseConditions=None)
        case "skip":
            steps, index = toy.manifest["spec"]["strategy"]["canary"]["steps"], toy.status.get("currentStepIndex")
            if index is not None:
                toy.patch_status(pauseConditions=None, currentStepIndex=min(index + what, len(steps)))
        case "full":
            toy.patch_status(promoteFull=True)
        case "pause":
            toy.spec(paused=what)
        case "wait":
            toy.wait(seconds=what)
        case "pass":
            toy.step(crash_after=what)
        case "settle":
            toy.settle()


class Watched(Toy):
    """A toy that checks the laws at every single action. `failing`: pods were lost by no deed of the controller."""

    def _do(self, action: Any) -> None:
        before, pods = self.weights, {name: rs.available for name, rs in self.sets.items()}
        if isinstance(action, PointService) and action.service == "canary":
            self._check_rename(action.hash)
        super()._do(action)
        canary, stable = self._behind("canary"), self._behind("stable")
        if self.weights[0] > before[0]:
            need = self.weights[0] * self._size() // 100
            assert canary is not None, self.log
            assert canary.available >= min(need, canary.replicas), ("poured before grown", self.log)
        if self.weights[1] > before[1] and stable is not None:
            need = self.weights[1] * self._size() // 100
            assert stable.available >= need, ("stable was given more than it can carry", self.weights, self.log)
        if self._size() == 0:
            return  # asked for no pods at all
        if self.weights[0] > 0 and canary is not None and pods.get(canary.name):
            assert canary.available > 0, ("traffic on pods that were taken away", self.log)
        if self.weights[1] > 0 and stable is not None and pods.get(stable.name):
            assert stable.available > 0, ("traffic on pods that were taken away", self.log)

    def _check_rename(self, hash: str) -> None:
        """The canary Service changes hands only while no traffic is meant for it, or towards a stable one."""
        old = self._behind("canary")
        stable = self.status.get("stableRS")
        if self.weights[0] > 0 and old is not None and old.available and hash != stable:
            raise AssertionError(("renamed while it carries traffic", self.weights, self.log))

    def _behind(self, service: str) -> Any:
        return self.behind(service) if service in self.services else None

    def _size(self) -> int:
        return int(self.manifest["spec"].get("replicas", 1))


def finish(toy: Toy) -> None:
    """Let everything come to its end: no more faults, pods become ready, pauses are promoted."""
    if toy.manifest["spec"].get("paused"):
        toy.spec(paused=False)
    for _ in range(12):
        toy.run(toy.now.replace(year=2027))
        if toy.status.get("phase") != "Paused":
            return
        toy.patch_status(pauseConditions=None)
    raise AssertionError(f"still {toy.phase}")


def check_end(toy: Toy, *services: str) -> None:
    """All pods are stable's, and the Services (these, or all) select them."""
    size = int(toy.manifest["spec"].get("replicas", 1))
    wanted = toy.status["stableRS"]
    for rs in toy.sets.values():
        assert rs.replicas == (size if rs.hash == wanted else 0), (rs, toy.log)
    assert toy.status["phase"] == ("Degraded" if toy.status.get("abort") else "Healthy")
    for service in services or toy.services:
        assert size == 0 or toy.services[service].hash == wanted, (service, toy.log)
    assert toy.weights[0] == 0
    assert not toy.step(), "a settled rollout writes nothing"


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    steps=routed_steps,
    canary=canaries,
    replicas=st.integers(1, 6),
    window=st.integers(0, 2).map(lambda count: {"revisions": count}),
    deeds=deeds,
)
def test_a_routed_canary_keeps_the_laws_and_always_ends(steps, canary, replicas, window, deeds):
    manifest = make.rollout(*steps, replicas=replicas, canary={**canary, **make.ISTIO}, rollbackWindow=window)
    toy = Watched(manifest, ("stable", "canary"))
    toy.run()
    for deed, what in deeds:
        do(toy, deed, what)
    finish(toy)
    check_end(toy)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps=steps, canary=canaries, replicas=st.integers(1, 6), deeds=deeds)
def test_a_basic_canary_always_ends(steps, canary, replicas, deeds):
    canary = {key: value for key, value in canary.items() if key not in ROUTED_ONLY}
    toy = Toy(make.rollout(*steps, replicas=replicas, canary=canary))
    toy.run()
    for deed, what in deeds:
        do(toy, deed, what)
    finish(toy)
    check_end(toy)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps=steps, canary=canaries, replicas=st.integers(1, 6), crashes=st.lists(st.integers(0, 2), max_size=30))
def test_a_basic_canary_keeps_surge_and_availability_through_crashes(steps, canary, replicas, crashes):
    canary = {key: value for key, value in canary.items() if key not in ROUTED_ONLY}
    toy = Toy(make.rollout(*steps, replicas=replicas, canary=canary))
    toy.run()
    toy.image("img:2")
    most = replicas + canary["maxSurge"]
    least = replicas - min(canary["maxUnavailable"], replicas)
    for cut in (*crashes, *[None] * 60):
        toy.step(crash_after=cut)
        assert sum(rs.replicas for rs in toy.sets.values()) <= most
        assert sum(rs.available for rs in toy.sets.values()) >= least
        if cut is None:
            toy.ready()
            toy.patch_status(pauseConditions=None)
            toy.wait(seconds=10)
    finish(toy)
    check_end(toy)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps=steps, canary=canaries, deeds=deeds)
def test_until_the_announced_wake_up_time_alone_changes_nothing(steps, canary, deeds):
    toy = Toy(make.rollout(*steps, canary={**canary, **make.ISTIO}), ("stable", "canary"))
    toy.run()
    for deed, what in deeds:
        do(toy, deed, what)
    toy.settle()
    wake = toy.plan().wake_at
    for seconds in (1, 5, 9, 29, 600):
        later = toy.now.replace(year=2027) if wake is None else min(wake, toy.now)
        toy.wait(seconds=seconds)
        if wake is not None and toy.now >= wake:
            return
        assert toy.plan().changes == (), (wake, later)
        assert not toy.step()


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps=steps, canary=canaries, deeds=deeds)
def test_silence_has_a_reason(steps, canary, deeds):
    toy = Toy(make.rollout(*steps, canary={**canary, **make.ISTIO}), ("stable", "canary"))
    for deed, what in deeds:
        do(toy, deed, what)
        plan = toy.plan()
        assert plan.changes or plan.waits
        assert all(wait.because for wait in plan.waits)
