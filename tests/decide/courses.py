"""Random courses of canaries: what the spec asks, what people, pods and crashes do in any order, and the end of it."""

from typing import Any, TypeAlias

from hypothesis import Phase, settings
from hypothesis import strategies as st

from tests import make
from tests.decide.lagging import PARTS, Lagging
from tests.decide.toy import Toy

IMAGES = ("img:1", "img:2", "img:3")

law = settings(max_examples=150, phases=[Phase.generate])
"""For laws whose examples are whole courses: to look for a smaller one takes minutes."""

# ── what the spec asks ──

basic = st.one_of(
    st.integers(0, 100).map(make.weight),
    st.sampled_from([make.pause(), make.pause("10s"), make.pause(0)]),
)
steps = st.lists(basic, max_size=5)
scales = st.sampled_from([{"replicas": 1}, {"replicas": 3}, {"weight": 50}, {"matchTrafficWeight": True}])
routed_steps = st.lists(st.one_of(basic, scales.map(lambda scale: {"setCanaryScale": scale})), max_size=6)

_limits = {"maxSurge": st.integers(1, 3), "maxUnavailable": st.integers(0, 2)}
limits = st.fixed_dictionaries(_limits)
_routed: dict[str, Any] = {
    "abortScaleDownDelaySeconds": st.sampled_from([0, 5, 30]),
    "minPodsPerReplicaSet": st.integers(1, 3),
    "dynamicStableScale": st.booleans(),
}
routed = st.fixed_dictionaries(_limits, optional=_routed)
coarse_steps = st.lists(
    st.one_of(
        st.sampled_from([20, 40, 60, 80, 100]).map(make.weight), st.sampled_from([make.pause(), make.pause("10s")])
    ),
    min_size=2,
    max_size=5,
)
shrinking = st.fixed_dictionaries(
    {**_limits, "dynamicStableScale": st.just(True)},
    optional={"abortScaleDownDelaySeconds": st.sampled_from([0, 5, 30])},
)
windows = st.integers(0, 2).map(lambda count: {"revisions": count})

PAIR: make.Obj = {"pingPong": {"pingService": "ping", "pongService": "pong"}}
SERVICES: dict[str, tuple[make.Obj, tuple[str, ...]]] = {
    "two parts": (make.ISTIO, ("stable", "canary")),
    "turns": ({"trafficRouting": make.ISTIO["trafficRouting"], **PAIR}, ("ping", "pong")),
    "both": ({**make.ISTIO, **PAIR}, ("stable", "canary", "ping", "pong")),
}
"""How Services share the traffic: what the strategy says of them, and their names."""

# ── what happens ──

Deed: TypeAlias = tuple[str, Any]
"""What is done, and how."""

LateDeed: TypeAlias = tuple[Deed, set[str], int]
"""Something happens, some of all that happened is heard, and so many passes follow."""

_person = [
    st.tuples(st.just("image"), st.sampled_from(IMAGES)),
    st.tuples(st.just("replicas"), st.integers(0, 6)),
    st.tuples(st.just("abort"), st.just(None)),
    st.tuples(st.just("retry"), st.just(None)),
    st.tuples(st.just("promote"), st.just(None)),
    st.tuples(st.just("full"), st.just(None)),
    st.tuples(st.just("skip"), st.integers(1, 6)),
    st.tuples(st.just("pause"), st.booleans()),
]
_cluster = [
    st.tuples(st.just("ready"), st.tuples(st.sampled_from(IMAGES), st.integers(0, 6))),
    st.tuples(st.just("ready"), st.just((None, None))),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 40])),
    st.tuples(st.just("pass"), st.one_of(st.none(), st.integers(0, 3))),
    st.tuples(st.just("settle"), st.just(None)),
]
deeds = st.lists(st.one_of(*_person, *_cluster), max_size=30)
news = st.sets(st.sampled_from(PARTS))
late_deeds = st.lists(st.tuples(st.one_of(*_person, *_cluster), news, st.integers(0, 3)), min_size=3, max_size=25)


def do(toy: Toy, deed: str, what: Any) -> None:  # noqa: C901 – because it is one table
    match deed:
        case "image":
            toy.image(what)
        case "replicas":
            toy.spec(replicas=what)
        case "ready":
            toy.ready(*what)
        case "abort":
            toy.abort()
        case "retry":
            toy.patch_status(abort=False)
        case "promote":
            toy.promote()
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


def do_late(toy: Lagging, deed: Deed, heard: set[str], passes: int) -> None:
    do(toy, *deed)
    toy.hear(*sorted(heard))
    for _ in range(passes):
        toy.step()


def finish(toy: Toy) -> None:
    """Let everything come to its end: no more faults, all is heard, pods become ready, pauses are promoted."""
    if isinstance(toy, Lagging):
        toy.deaf = False
    if toy.manifest["spec"].get("paused"):
        toy.spec(paused=False)
    for _ in range(12):
        toy.run(toy.now.replace(year=2027))
        if toy.status.get("phase") != "Paused":
            return
        toy.promote()
    raise AssertionError(f"still {toy.phase}")


def check_end(toy: Toy, *services: str) -> None:
    """All pods are stable's, and the Services (these, or all that are in use) select them."""
    size = int(toy.manifest["spec"].get("replicas", 1))
    wanted = toy.status["stableRS"]
    for rs in toy.sets.values():
        if not (rs.hash == toy.status["currentPodHash"] != wanted and _stays(toy)):
            assert rs.replicas == (size if rs.hash == wanted else 0), (rs, toy.log)
    assert toy.status["phase"] == ("Degraded" if toy.status.get("abort") else "Healthy")
    for service in services or sorted(toy.services.keys() - {_resting(toy)}):
        assert size == 0 or toy.services[service].hash == wanted, (service, toy.log)
    assert toy.weights[0] == 0
    assert not toy.step(), "a settled rollout writes nothing"


def _stays(toy: Toy) -> bool:
    """Whether an aborted canary keeps its pods: without an abort delay one that was given a size of its own does."""
    canary = toy.manifest["spec"]["strategy"]["canary"]
    sized = any("setCanaryScale" in step for step in canary["steps"])
    return bool(toy.status.get("abort")) and sized and canary.get("abortScaleDownDelaySeconds") == 0


def _resting(toy: Toy) -> str:
    """Of two Services that take turns the one whose turn it is not: whatever it selects, nobody uses it."""
    pair = toy.manifest["spec"]["strategy"]["canary"].get("pingPong")
    if not pair:
        return ""
    stable = toy.status["canary"]["stablePingPong"]
    return str(pair["pongService"] if stable == "ping" else pair["pingService"])
