"""The law of users, while people edit the strategy in mid-update and others meddle with what the controller keeps:

no deed of the controller leaves users with nobody, or with fewer pods than maxUnavailable grants; whatever was done,
as soon as pods are ready users are served again; and every update ends.
"""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollouts.decide.world import Service
from tests import make
from tests.decide.courses import IMAGES, Deed, basic, do, law
from tests.decide.edited import NAMES, Edited

# ── what the spec asks ──

_ISTIO: make.Obj = {"trafficRouting": {"istio": {"virtualService": {"name": "vs"}}}}
_NGINX: make.Obj = {"trafficRouting": {"nginx": {"stableIngress": "main"}}}
_ALB: make.Obj = {"trafficRouting": {"alb": {"ingress": "main", "rootService": "root", "servicePort": 80}}}
_NAMED: make.Obj = {"stableService": "stable", "canaryService": "canary"}
_TURNS: make.Obj = {"pingPong": {"pingService": "ping", "pongService": "pong"}}

PARTS: tuple[make.Obj, ...] = (
    {},
    _NAMED,
    {**_NAMED, **_ISTIO},
    {**_NAMED, **_NGINX},
    {"stableService": "canary", "canaryService": "stable", **_ISTIO},
    {"stableService": "ping", "canaryService": "pong", **_ISTIO},
    {**_TURNS, **_ISTIO},
    {**_NAMED, **_TURNS, **_ALB},
)
"""How a canary shares traffic: by pods alone, by one router or another, by Services of these names or others."""

_limits = {"maxSurge": st.integers(1, 2), "maxUnavailable": st.integers(0, 1)}
_delay = st.sampled_from([0, 5, 30])
_routed: dict[str, Any] = {"abortScaleDownDelaySeconds": _delay, "minPodsPerReplicaSet": st.integers(1, 2)}
_kept = st.fixed_dictionaries({}, optional={**_routed, "scaleDownDelaySeconds": st.sampled_from([0, 5])})
_dynamic = st.fixed_dictionaries({"dynamicStableScale": st.just(True)}, optional=_routed)


@st.composite
def canaries(draw: st.DrawFn) -> make.Obj:
    parts = draw(st.sampled_from(PARTS))
    rest = draw(st.one_of(_kept, _dynamic)) if "trafficRouting" in parts else {}
    steps = draw(st.lists(basic, max_size=5))
    return {"canary": {"steps": steps, **draw(st.fixed_dictionaries(_limits)), **parts, **rest}}


_blue_green: dict[str, Any] = {
    "previewService": st.just("canary"),
    "previewReplicaCount": st.integers(1, 3),
    "autoPromotionEnabled": st.booleans(),
    "autoPromotionSeconds": st.sampled_from([0, 10]),
    "scaleDownDelaySeconds": st.sampled_from([0, 5]),
    "abortScaleDownDelaySeconds": st.sampled_from([0, 5]),
}
blue_greens = st.fixed_dictionaries({"activeService": st.just("stable")}, optional=_blue_green)
strategies = st.one_of(canaries(), canaries(), blue_greens.map(lambda strategy: {"blueGreen": strategy}))

# ── what is done ──

_people = st.one_of(
    st.tuples(st.just("image"), st.sampled_from(IMAGES)),
    st.tuples(st.just("replicas"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["abort", "retry", "promote", "full"]), st.none()),
    st.tuples(st.just("pause"), st.booleans()),
)
_cluster = st.one_of(
    st.tuples(st.just("ready"), st.tuples(st.sampled_from(IMAGES), st.integers(0, 5))),
    st.tuples(st.just("ready"), st.just((None, None))),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 40])),
    st.tuples(st.just("pass"), st.one_of(st.none(), st.integers(0, 2))),
    st.tuples(st.just("settle"), st.none()),
    st.tuples(st.just("served"), st.none()),
)
_edit = st.tuples(st.just("edit"), strategies)
_any = st.integers(0, 5)
_meddling = st.one_of(
    st.tuples(st.just("delete"), _any),
    st.tuples(st.just("scale"), st.tuples(_any, st.integers(0, 5))),
    st.tuples(st.sampled_from(["recreate", "unmanage"]), st.sampled_from(NAMES)),
    st.tuples(st.just("select"), st.tuples(st.sampled_from(NAMES), _any)),
    st.tuples(st.just("mesh"), st.sampled_from([(0, 100), (50, 50), (100, 0)])),
    st.tuples(st.just("status"), st.sampled_from([{"abort": True}, {"abort": None}, {"promoteFull": True}])),
    st.tuples(st.just("status"), st.sampled_from([{"currentStepIndex": index} for index in (None, 0, 3, 99)])),
    st.tuples(st.just("status"), st.sampled_from([{"pauseConditions": None, "controllerPause": None}])),
)
edits = st.lists(st.one_of(_people, _cluster, _cluster, _edit), min_size=3, max_size=25)
meddled = st.lists(st.one_of(_people, _cluster, _cluster, _edit, _meddling), min_size=3, max_size=25)


def act(toy: Edited, deed: str, what: Any) -> None:
    names = sorted(toy.sets)
    match deed:
        case "edit":
            toy.edit(what)
        case "served":
            check_served(toy)
        case "delete" if names:
            del toy.sets[names[what % len(names)]]
        case "scale" if names:
            toy.scale(names[what[0] % len(names)], what[1])
        case "select" if names:
            hash = toy.sets[names[what[1] % len(names)]].hash
            toy.services[what[0]] = replace(toy.services[what[0]], hash=hash)
        case "recreate":
            toy.services[what] = Service(what, {"app": "r"})
        case "unmanage":
            toy.services[what] = replace(toy.services[what], managed_by=None)
        case "mesh" if toy.router in toy.mesh:
            toy.mesh[toy.router] = dict(zip(toy.mesh[toy.router], what, strict=True))
        case "status":
            toy.patch_status(**what)
        case "delete" | "scale" | "select" | "mesh":
            pass
        case _:
            do(toy, deed, what)


def check_served(toy: Edited) -> None:
    """As soon as pods are ready users are served, whatever was done to it."""
    if toy.size and not toy.manifest["spec"].get("paused"):
        toy.run()
        assert toy.lost == 0, (toy.lost, toy.entry, toy.phase, toy.log)


def check_end(toy: Edited) -> None:
    """All comes to its end by time and promotes alone: users are on the stable version, and nothing is written."""
    toy.spec(paused=False)
    for _ in range(14):
        toy.run(toy.now.replace(year=2027))
        if toy.status["phase"] != "Paused":
            break
        toy.promote()
    aborted, stable = toy.status.get("abort"), toy.status["stableRS"]
    assert toy.status["phase"] == ("Degraded" if aborted else "Healthy"), (toy.phase, toy.log)
    for rs in toy.sets.values():
        if rs.hash == stable:
            assert rs.replicas == toy.size, (rs, toy.log)
        elif not (aborted and rs.hash == toy.status["currentPodHash"]):
            assert rs.replicas == 0, (rs, toy.log)
    for name, share in toy.entry.items():
        assert not (share and toy.size) or toy.services[name].hash == stable, (name, toy.log)
    assert not toy.step(), "a settled rollout writes nothing"


def updating(strategy: make.Obj, replicas: int) -> Edited:
    """In the middle of an update, at its first wait."""
    manifest = make.rollout(replicas=replicas)
    manifest["spec"]["strategy"] = strategy
    toy = Edited(manifest)
    toy.run()
    toy.image("img:2")
    toy.run()
    return toy


@law
@given(strategy=strategies, replicas=st.integers(1, 5), deeds=edits)
def test_users_lose_nobody_while_the_strategy_is_edited(strategy: make.Obj, replicas: int, deeds: list[Deed]) -> None:
    toy = updating(strategy, replicas)
    for deed, what in deeds:
        act(toy, deed, what)
    check_end(toy)


@law
@given(strategy=strategies, replicas=st.integers(1, 5), deeds=meddled)
def test_users_lose_nobody_by_the_controller_while_others_meddle(
    strategy: make.Obj, replicas: int, deeds: list[Deed]
) -> None:
    toy = updating(strategy, replicas)
    for deed, what in deeds:
        act(toy, deed, what)
    check_end(toy)
