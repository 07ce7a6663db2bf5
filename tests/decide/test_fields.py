"""What single fields of a spec do, where no course is about them: absent, given, at their edges, changed."""

from datetime import timedelta
from typing import Any

import pytest

from rollouts.api.rollout import Rollout
from rollouts.decide import decide
from rollouts.decide.plan import MirrorRoute
from rollouts.decide.references import fault, spec_fault
from rollouts.decide.world import Pod, Service
from tests import make
from tests.decide import bluegreen
from tests.decide.bluegreen import ANALYSIS
from tests.decide.canary import PREFERRED, REQUIRED, V1, V2, deployed, dynamic, routed, rules, sizes
from tests.decide.toy import Toy

MANY = 2**31
NGINX: make.Obj = {**make.ISTIO, "trafficRouting": {"nginx": {"stableIngress": "i"}}}


def resume(toy: Toy) -> None:
    toy.promote()
    toy.run()


# ── numbers of pods ──


@pytest.mark.parametrize(
    ("scale", "found"),
    [
        ({"weight": 10}, [9, 1]),  # the rest of what the canary's size leaves, not of its share
        ({"replicas": 1}, [10, 1]),
        ({"weight": 100}, [5, 10]),  # no fewer than the recorded share needs
        ({"matchTrafficWeight": True}, [5, 5]),
    ],
)
def test_stable_shrinks_to_what_a_canary_of_a_size_of_its_own_leaves(scale: dict[str, Any], found: Any) -> None:
    toy = dynamic(make.weight(50), make.pause(), {"setCanaryScale": scale}, make.pause())
    toy.image(V2)
    toy.run()
    assert (sizes(toy, V1, V2), toy.weights) == ([5, 5], (50, 50))
    resume(toy)
    assert (sizes(toy, V1, V2), toy.weights) == (found, (50, 50))


@pytest.mark.parametrize(("asked", "count"), [(1, 3), (4, 4)])
def test_where_stable_shrinks_fewest_pods_hold_for_a_number_that_a_step_asks_for_too(asked: Any, count: int) -> None:
    toy = dynamic({"setCanaryScale": {"replicas": asked}}, make.pause(), minPodsPerReplicaSet=3)
    toy.image(V2)
    toy.run()
    assert sizes(toy, V2) == [count]


@pytest.mark.parametrize(("fewest", "count"), [(None, 1), (-1, 1), (3, 3), (99, 5)])
def test_fewest_pods_are_never_more_than_there_are_at_all(fewest: int | None, count: int) -> None:
    toy = routed(make.weight(1), make.pause(), minPodsPerReplicaSet=fewest)
    toy.image(V2)
    toy.run()
    assert (sizes(toy, V2), toy.weights) == ([count], (1, 99))


def test_fewest_pods_say_nothing_where_pods_are_the_shares() -> None:
    toy = deployed(make.weight(20), make.pause(), canary={"minPodsPerReplicaSet": 3})
    toy.image(V2)
    toy.run()
    assert sizes(toy, V1, V2) == [4, 1]


def test_a_threshold_below_zero_asks_for_exactly_the_pods_of_the_step() -> None:
    toy = routed(make.weight(60), make.pause(), replicaProgressThreshold={"type": "Pods", "value": -1})
    toy.image(V2)
    toy.settle()
    toy.ready(V2, 2)
    toy.settle()
    assert toy.status["currentStepIndex"] == 0
    toy.ready(V2)
    toy.settle()
    assert toy.status["currentStepIndex"] == 1


@pytest.mark.parametrize(("kind", "enough"), [("", 2), ("Pods", 2), ("percent", 2), ("Percent", 1)])
def test_a_threshold_of_any_kind_but_percent_is_a_number_of_pods(kind: str, enough: int) -> None:
    toy = routed(make.weight(100), make.pause(), replicaProgressThreshold={"type": kind, "value": 2})
    toy.image(V2)
    toy.settle()
    for count in range(1, enough + 1):
        assert toy.status["currentStepIndex"] == 0
        toy.ready(V2, count)
        toy.settle()
    assert toy.status["currentStepIndex"] == 1


@pytest.mark.parametrize("threshold", [{"type": "Pods", "value": 4}, {"type": "Percent", "value": 150}])
@pytest.mark.parametrize("steps", [(), (make.weight(20), make.pause(), make.weight(60))])
def test_a_threshold_beyond_the_pods_that_there_are_is_met_by_all_of_them(
    threshold: make.Obj, steps: tuple[make.Obj, ...]
) -> None:
    """As when an autoscaler has scaled the rollout down."""
    toy = dynamic(*steps, replicaProgressThreshold=threshold)
    toy.spec(replicas=3)
    toy.run()
    toy.image(V2)
    toy.run()
    if steps:
        assert (toy.phase, toy.weights) == ("Paused CanaryPauseStep", (20, 80))
        resume(toy)
    assert toy.phase == "Healthy"
    assert toy.status["stableRS"] == make.hash_of(V2)


def test_a_threshold_holds_back_no_share_that_the_pods_of_stable_can_take() -> None:
    toy = routed(make.weight(80), make.pause(), replicaProgressThreshold={"type": "Pods", "value": 3})
    toy.ready(V1, 2)
    toy.image(V2)
    toy.settle()
    toy.ready(V2)
    toy.ready(V1, 2)
    toy.settle()
    assert toy.weights == (80, 20)


def test_the_whole_of_the_weights_may_change_and_pods_stay_until_the_new_shares_are_recorded() -> None:
    toy = deployed(make.weight(40), make.pause(), services=("stable", "canary"), canary=NGINX)
    toy.image(V2)
    toy.run()
    assert (sizes(toy, V1, V2), toy.weights) == ([5, 2], (40, 60))
    toy.manifest["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = 1000
    toy.manifest["metadata"]["generation"] += 1
    while toy.weights != (40, 960):
        assert toy.step()
    assert sizes(toy, V2) == [2], "two fifths of the requests came to them until now"
    toy.run()
    assert sizes(toy, V1, V2) == [5, 1]


@pytest.mark.parametrize(("given", "size"), [(None, 3), (1, 1), (3, 3), (0, 0)])
def test_a_preview_has_all_pods_or_as_many_as_are_asked_for(given: int | None, size: int) -> None:
    toy = bluegreen.updated(previewReplicaCount=given, autoPromotionEnabled=False)
    assert (bluegreen.sizes(toy, V1, V2), toy.phase) == ([3, size], "Paused BlueGreenPause")


def test_a_preview_follows_its_number_in_mid_update() -> None:
    toy = bluegreen.updated(previewReplicaCount=1, autoPromotionEnabled=False)
    toy.manifest["spec"]["strategy"]["blueGreen"]["previewReplicaCount"] = 2
    toy.run()
    assert (bluegreen.sizes(toy, V1, V2), toy.phase) == ([3, 2], "Paused BlueGreenPause")


# ── numbers that nobody could act on ──


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"revisionHistoryLimit": MANY}, f"spec.revisionHistoryLimit: Invalid value: {MANY}: must fit in 32 bits"),
        ({"replicas": MANY}, f"spec.replicas: Invalid value: {MANY}: must fit in 32 bits"),
        ({"rollbackWindow": {"revisions": -MANY - 1}}, f"spec.rollbackWindow.revisions: Invalid value: {-MANY - 1}"),
        ({"rollbackWindow": {"revisions": -1}}, ""),
        ({"revisionHistoryLimit": MANY - 1}, ""),
    ],
)
def test_a_number_has_32_bits(spec: dict[str, Any], told: str) -> None:
    assert spec_fault(Rollout.model_validate(make.rollout(**spec))).startswith(told)
    assert bool(spec_fault(Rollout.model_validate(make.rollout(**spec)))) == bool(told)


@pytest.mark.parametrize(
    ("canary", "told"),
    [
        ({"scaleDownDelaySeconds": 10**12}, f"scaleDownDelaySeconds: Invalid value: {10**12}: must fit in 32 bits"),
        (
            {"steps": [{"setCanaryScale": {"replicas": -1}}]},
            "steps[0].setCanaryScale.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            {"steps": [make.pause(), {"setCanaryScale": {"weight": -1}}]},
            "steps[1].setCanaryScale.weight: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            {"trafficRouting": {"nginx": {"stableIngress": "i"}, "maxTrafficWeight": 0}},
            "trafficRouting.maxTrafficWeight: Invalid value: 0: must be greater than 0",
        ),
        ({"trafficRouting": {"nginx": {"stableIngress": "i"}, "maxTrafficWeight": 1}}, ""),
        (
            {
                "trafficRouting": {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": "m"}]},
                "steps": [{"setMirrorRoute": {"name": "m", "percentage": 101}}],
            },
            "steps[0].setMirrorRoute.percentage: Invalid value: 101: must be between 0 and 100",
        ),
        (
            {"steps": [{"experiment": {"templates": [{"name": "a", "specRef": "canary", "replicas": -1}]}}]},
            "steps[0].experiment.templates[0].replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
def test_a_number_that_no_router_and_no_replica_set_could_take_is_refused(canary: dict[str, Any], told: str) -> None:
    found = spec_fault(Rollout.model_validate(make.rollout(canary={**make.ISTIO, **canary})))
    assert found == (told and f"spec.strategy.canary.{told}")


def test_a_port_may_have_64_bits_as_in_the_definition() -> None:
    rule = {"name": "vs", "tcpRoutes": [{"port": MANY}]}
    canary = {**make.ISTIO, "trafficRouting": {"istio": {"virtualService": rule}}}
    assert spec_fault(Rollout.model_validate(make.rollout(canary=canary))) == ""


def test_a_preview_of_fewer_than_no_pods_is_refused() -> None:
    told = spec_fault(Rollout.model_validate(make.blue_green(previewReplicaCount=-1)))
    path = "spec.strategy.blueGreen.previewReplicaCount"
    assert told == f"{path}: Invalid value: -1: must be greater than or equal to 0"


@pytest.mark.parametrize("duration", [str(MANY), str(10**12), f"-{MANY}"])
def test_a_pause_beyond_32_bits_of_seconds_is_refused(duration: Any) -> None:
    told = spec_fault(Rollout.model_validate(make.rollout(make.pause(duration))))
    assert told == "spec.strategy.steps[0].pause.duration: Invalid value: -1: Duration needs to be greater than 0"


@pytest.mark.parametrize("duration", [MANY - 1, str(MANY - 1), "2562047h"])
def test_the_longest_pauses_are_only_waited_for(duration: Any) -> None:
    toy = deployed(make.pause(duration))
    toy.image(V2)
    toy.run()
    assert toy.phase == "Paused CanaryPauseStep"
    wake = decide(toy.world(), toy.now).wake_at
    assert wake is not None
    assert wake > toy.now + timedelta(days=24_000)


# ── analyses ──


def watched(*steps: make.Obj, **more: Any) -> Toy:
    """An update behind a router beside which an analysis is asked for."""
    toy = Toy(make.rollout(*steps, canary={**make.ISTIO, "analysis": {**ANALYSIS, **more}}), ("stable", "canary"))
    toy.templates[(False, "check")] = make.analysis_template()
    toy.run()
    toy.image(V2)
    return toy


@pytest.mark.parametrize(("steps", "begins"), [((), True), ((make.pause(), make.pause(), make.pause()), False)])
def test_a_background_analysis_counts_steps_only_where_there_are_some(
    steps: tuple[make.Obj, ...], begins: bool
) -> None:
    toy = watched(*steps, startingStep=2)
    toy.settle()
    assert bool(toy.runs) == begins
    assert ("currentBackgroundAnalysisRunStatus" in toy.status["canary"]) == begins


@pytest.mark.parametrize(("start", "at"), [(None, 0), (0, 0), (1, 1), (2, 2)])
def test_a_background_analysis_begins_when_its_step_is_reached(start: int | None, at: int) -> None:
    toy = watched(make.pause(), make.pause(), make.pause(), startingStep=start)
    toy.run()
    for _ in range(at):
        assert toy.runs == {}
        resume(toy)
    assert list(toy.runs) == [f"r-{make.hash_of(V2)}-2"]


def test_a_background_analysis_whose_step_is_put_off_in_mid_update_ends() -> None:
    toy = watched(make.pause(), make.pause())
    toy.run()
    toy.manifest["spec"]["strategy"]["canary"]["analysis"]["startingStep"] = 1
    toy.run()
    (run,) = toy.runs.values()
    assert run.terminate
    assert "currentBackgroundAnalysisRunStatus" not in toy.status["canary"]


@pytest.mark.parametrize("whose", ["stable", "latest", "Canary", ""])
def test_a_hash_of_a_version_that_nobody_knows_is_refused(whose: str) -> None:
    arg = {"name": "hash", "value": "x", "valueFrom": {"podTemplateHashValue": whose}}
    step = {"analysis": {**ANALYSIS, "args": [arg]}}
    found = fault(make.world(make.rollout(step), templates={(False, "check"): make.analysis_template()}))
    assert found.startswith("spec.strategy.canary.steps[0].analysis.args: Invalid value: [")
    assert found.endswith(f": podTemplateHashValue has to be Stable or Latest, and is {whose!r}")


# ── the rest of a spec ──


@pytest.mark.parametrize(
    ("limit", "left"), [({}, 10), ({"revisionHistoryLimit": 0}, 0), ({"revisionHistoryLimit": 2}, 2)]
)
def test_so_many_replaced_versions_are_remembered(limit: make.Obj, left: int) -> None:
    toy = deployed(replicas=1, **limit)
    for number in range(2, 15):
        toy.image(f"img:{number}")
        toy.run()
    assert len(toy.sets) == left + 1
    assert toy.of("img:14").replicas == 1


@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_without_a_moment_for_a_restart_the_oldest_pods_stay(strategy: str) -> None:
    toy = deployed() if strategy == "canary" else bluegreen.deployed(5)
    toy.pods = [Pod(f"p{number}", toy.of(V1).name, {}, {}, created=toy.now) for number in range(5)]
    toy.wait(days=900)
    toy.settle()
    assert not toy.evicted
    toy.spec(restartAt=toy.now.isoformat())
    toy.wait(seconds=1)
    toy.step()
    assert toy.evicted == ("p0",)


@pytest.mark.parametrize(("services", "selecting"), [({}, {}), ({"canaryService": "canary"}, {"canary": V2})])
def test_services_are_switched_where_the_spec_names_them(services: make.Obj, selecting: dict[str, str]) -> None:
    toy = deployed(make.weight(40), make.pause(), services=("stable", "canary"), canary=services)
    toy.image(V2)
    toy.run()
    found = {name: one.hash for name, one in toy.services.items() if one.hash}
    assert found == {name: make.hash_of(image) for name, image in selecting.items()}


@pytest.mark.parametrize(("order", "found"), [(["a", "b"], ["a", "b"]), (["b", "a"], ["b", "a"])])
def test_routes_of_steps_stand_in_the_order_of_the_managed_ones(order: list[str], found: list[str]) -> None:
    match = [{"headerName": "x", "headerValue": {"exact": "y"}}]
    routing = {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": name} for name in order]}
    both = ({"setHeaderRoute": {"name": name, "match": match}} for name in ("a", "b"))
    toy = routed(make.weight(20), *both, make.pause(), trafficRouting=routing)
    toy.image(V2)
    toy.run()
    assert [route.name for route in toy.routes] == found


@pytest.mark.parametrize(("given", "percentage"), [({}, 100), ({"percentage": 0}, 0), ({"percentage": 35}, 35)])
def test_a_mirror_copies_all_requests_or_as_many_as_are_asked_for(given: make.Obj, percentage: int) -> None:
    routing = {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": "m"}]}
    step = {"setMirrorRoute": {"name": "m", "match": [{"path": {"prefix": "/"}}], **given}}
    toy = routed(make.weight(20), step, make.pause(), trafficRouting=routing)
    toy.image(V2)
    toy.run()
    (route,) = toy.routes
    assert isinstance(route, MirrorRoute)
    assert route.percentage == percentage


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        ({}, "AnalysisTemplate '' not found"),
        ({"templateName": "none"}, "AnalysisTemplate 'none' not found"),
        ({"templateName": "check", "clusterScope": True}, "ClusterAnalysisTemplate 'check' not found"),
        ({"templateName": "check", "clusterScope": False}, ""),
    ],
)
def test_a_template_is_one_of_the_namespace_unless_it_is_said_to_be_the_clusters(ref: make.Obj, told: str) -> None:
    step = {"analysis": {"templates": [ref]}}
    found = fault(make.world(make.rollout(step), templates={(False, "check"): make.analysis_template()}))
    assert found.endswith(told)
    assert bool(found) == bool(told)


@pytest.mark.parametrize("asked", [None, {REQUIRED: {}}, {PREFERRED: {"weight": 1}}, {PREFERRED: {"weight": 100}}])
@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_new_pods_keep_off_the_nodes_of_stable_ones_as_the_strategy_says(strategy: str, asked: make.Obj | None) -> None:
    if strategy == "canary":
        toy = deployed(make.weight(20), make.pause(), canary={"antiAffinity": asked})
        toy.image(V2)
        toy.run()
    else:
        toy = bluegreen.updated(antiAffinity=asked, autoPromotionEnabled=False)
    found = rules(toy, V2)
    assert list(found) == list(asked or ())
    if asked and PREFERRED in asked:
        assert [one["weight"] for one in found[PREFERRED]] == [asked[PREFERRED]["weight"]]


def test_a_header_route_without_a_name_is_refused() -> None:
    routing = {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": "a"}]}
    canary = {**make.ISTIO, "trafficRouting": routing, "steps": [{"setHeaderRoute": {"match": []}}]}
    told = spec_fault(Rollout.model_validate(make.rollout(canary=canary)))
    assert told.startswith(
        'spec.strategy.steps[0].setHeaderRoute: Invalid value: "": Steps define a route that does not'
    )


def test_an_abort_of_a_return_within_the_window_is_one() -> None:
    toy = deployed(make.weight(20), make.pause(), rollbackWindow={"revisions": 3})
    toy.image(V2)
    toy.settle()
    toy.patch_status(promoteFull=True)
    toy.run()
    toy.image(V1)
    toy.settle()
    toy.abort()
    toy.run()
    assert (toy.status["phase"], sizes(toy, V1, V2)) == ("Degraded", [0, 5])


def test_without_any_router_the_status_says_what_one_would_be_told() -> None:
    toy = routed(make.weight(20), make.pause(), trafficRouting={})
    toy.image(V2)
    toy.run()
    weights = toy.status["canary"]["weights"]
    assert (weights["canary"]["weight"], weights["stable"]["weight"], sizes(toy, V1, V2)) == (20, 80, [5, 1])
    resume(toy)
    assert toy.phase == "Healthy"


def test_a_restart_at_the_end_of_days_is_waited_for() -> None:
    toy = deployed()
    toy.pods = [Pod("p", toy.of(V1).name, {}, {}, created=toy.now)]
    toy.spec(restartAt="9999-12-31T23:59:59Z")
    toy.run()
    assert (toy.phase, toy.evicted) == ("Healthy", ())


def test_a_blue_green_rollout_without_an_active_service_is_refused() -> None:
    told = fault(make.world(make.blue_green(activeService=""), services={"preview": Service("preview", {"app": "r"})}))
    assert told == 'spec.strategy.blueGreen.activeService: Invalid value: "": service "" not found'
