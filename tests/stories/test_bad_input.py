"""What is written wrong is said in a condition that names it, touches no pod, and repaired it takes effect at once."""

from typing import Any

import pytest

from rollouts.kube.refs import ANALYSIS_TEMPLATE, REPLICA_SET, ROLLOUT, SERVICE, Obj
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from tests import make
from tests.stories.objects import analysis, istio, judged, metric, rollout, service, template, virtual_service
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

AT_ONCE = 1.0
STEPS = "spec.strategy.canary.steps"


def steps(*written: Obj) -> Obj:
    return {"strategy": {"canary": {"steps": list(written)}}}


async def refused(stage: Stage, *texts: str) -> None:
    """The Rollout is Degraded with a condition that says all this, and stays so without effort."""
    await stage.reaches("Degraded", "InvalidSpec", limit=5)
    condition = stage.condition("InvalidSpec")
    assert condition["status"] == "True"
    assert condition["reason"] == "InvalidSpec"
    assert condition["message"].startswith('The Rollout "r" is invalid: ')
    for text in texts:
        assert text in condition["message"]
    await stage.passes(60)
    known = len(stage.line.writes)
    await stage.passes(3600)
    assert len(stage.line.writes) == known, "an invalid spec is no reason to write again and again"


async def healed(stage: Stage) -> None:
    await stage.until(lambda: not stage.condition("InvalidSpec"), limit=AT_ONCE)


WRONG: list[tuple[dict[str, Any], str]] = [
    (steps({"pause": {"duration": "1d"}}), "Duration needs to be greater than 0"),
    (steps(make.weight(120)), "SetWeight needs to be between 0 and 100"),
    (steps({}), "Step must have one of the following set"),
    (steps({**make.weight(1), **make.pause()}), "Step must have one of the following set"),
    (steps({"setCanaryScale": {"replicas": 1}}), "SetCanaryScale requires TrafficRouting to be set"),
    ({"strategy": {"canary": None}}, "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'"),
    ({"progressDeadlineSeconds": 5, "minReadySeconds": 10}, "must be greater than minReadySeconds"),
    (
        {"strategy": {"canary": {"maxSurge": 0, "maxUnavailable": 0}}},
        "MaxSurge and MaxUnavailable both can not be zero",
    ),
    (
        {"strategy": {"canary": {"stableService": "s", "canaryService": "s"}}},
        "This rollout uses the same service for the stable and canary services",
    ),
    ({"template": {"metadata": {"labels": {"app": "x"}}}}, "`selector` does not match template `labels`"),
    ({"template": {"spec": {"restartPolicy": "Never"}}}, "restartPolicy"),
]


@pytest.mark.parametrize(("spec", "text"), WRONG, ids=[text[:40] for _, text in WRONG])
async def test_a_wrong_field_is_named_and_its_repair_takes_effect_at_once(spec: dict[str, Any], text: str) -> None:
    async with Stage() as stage:
        good = rollout(make.weight(20), make.pause())
        await stage.deploy(good)
        await stage.edit(**spec)
        await refused(stage, text)
        assert stage.sizes() == {"img:1": 5}
        await stage.apply(good)
        await healed(stage)
        await stage.reaches("Healthy", limit=AT_ONCE)


MISTAKEN = {"requests": {"memory": "invalid", "cpu": "10m"}, "limits": {"memory": "1gb"}}


async def test_pods_run_without_a_quantity_that_cannot_be_read_and_nobody_else_trips_over_it() -> None:
    written = rollout(make.weight(20), make.pause())
    container = written["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = MISTAKEN
    written["spec"]["template"]["spec"]["ephemeralContainers"] = [{**container, "name": "debug"}]
    async with Stage() as stage:
        await stage.apply(written)
        await stage.reaches("Healthy")
        (made,) = stage.all(REPLICA_SET)
        for holder in (made, stage.rollout()):
            pods = holder["spec"]["template"]["spec"]
            resources = pods["containers"][0]["resources"]
            assert (resources["requests"], resources.get("limits", {})) == ({"cpu": "10m"}, {})
            assert "ephemeralContainers" not in pods
        ((_, message),) = [event for event in await stage.events() if event[0] == "UnreadableQuantity"]
        for text in (
            'containers[0].resources.requests.memory: "invalid"',
            'containers[0].resources.limits.memory: "1gb"',
        ):
            assert f"spec.template.spec.{text}" in message
        assert "spec.template.spec.ephemeralContainers[0]" in message


async def test_a_quantity_that_cannot_be_read_is_told_by_a_condition_for_as_long_as_it_stands_in_the_manifest() -> None:
    written = rollout(make.weight(20), make.pause())
    (container,) = written["spec"]["template"]["spec"]["containers"]
    async with Stage() as stage:
        await stage.deploy(written)
        await stage.edit(template={"spec": {"containers": [{**container, "resources": {"limits": {"cpu": "lots"}}}]}})
        await stage.until(lambda: stage.condition("UnreadableQuantity"), limit=AT_ONCE)
        assert stage.condition("UnreadableQuantity")["status"] == "True"
        await stage.passes(60)
        known = len(stage.line.writes)
        await stage.passes(3600)
        assert len(stage.line.writes) == known, "whoever keeps the manifest elsewhere would put it back each time"
        await stage.apply(written)
        await stage.until(lambda: not stage.condition("UnreadableQuantity"), limit=AT_ONCE)
        assert stage.phase() == ("Healthy", ""), "the pods are those that run already"


async def test_a_step_of_a_kind_that_nobody_knows_is_refused() -> None:
    async with Stage() as stage:
        await stage.apply(rollout({"setWeigth": 20}))
        await refused(stage, "spec.strategy.steps[0]", "Step must have one of the following set")
        assert stage.sizes() == {}
        await stage.edit(**steps(make.weight(20)))
        await stage.reaches("Healthy", limit=2)


async def test_what_is_not_supported_yet_is_refused_by_name() -> None:
    async with Stage() as stage:
        await stage.apply(rollout({"plugin": {"name": "acme/step"}}))
        await refused(stage, f"{STEPS}[0].plugin", "not supported yet by this controller")


async def test_a_manifest_that_cannot_be_read_is_said_and_harms_nobody_else() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        before_validation = stage.rollout()
        key = stage.server.registry.of(ROLLOUT).key
        broken = {**before_validation, "spec": {**before_validation["spec"], "replicas": "many", "strategy": []}}
        stage.server.store.put(key, {**broken, "metadata": {**broken["metadata"], "generation": 2}})
        await refused(stage, "spec.")
        assert stage.sizes() == {"img:1": 5}
        other = rollout(name="other")
        other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
        other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
        await stage.apply(other)
        await stage.reaches("Healthy", name="other")
        stage.server.store.put(key, before_validation)
        await healed(stage)


async def test_a_missing_service_is_named_and_takes_effect_when_it_comes() -> None:
    async with Stage() as stage:
        await stage.apply(service("stable"), rollout(canary={"stableService": "stable", "canaryService": "canary"}))
        await refused(stage, 'spec.strategy.canary.canaryService: Invalid value: "canary": service "canary" not found')
        await stage.apply(service("canary"))
        await stage.reaches("Healthy", limit=2)


async def test_a_service_that_disappears_in_the_middle_is_told_and_taken_up_again() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(20), make.pause()))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.delete(SERVICE, "canary")
        await refused(stage, 'service "canary" not found')
        await stage.apply(service("canary"))
        await healed(stage)
        await stage.until(lambda: stage.serves("canary") == {"img:2"}, limit=AT_ONCE)
        assert stage.phase().phase == "Paused"


async def test_a_service_of_another_rollout_is_left_to_it() -> None:
    async with Stage() as stage:
        taken = service("stable")
        taken["metadata"]["annotations"] = {"argo-rollouts.argoproj.io/managed-by-rollouts": "other"}
        other = rollout(name="other", replicas=1, canary={"stableService": "stable"})
        await stage.apply(taken, other)
        await stage.reaches("Healthy", name="other")
        await stage.apply(rollout(canary={"stableService": "stable"}))
        await refused(stage, 'Service "stable" is managed by another Rollout')


async def test_a_service_for_other_pods_is_refused() -> None:
    async with Stage() as stage:
        wrong = service("stable", app="somebody-else")
        await stage.apply(wrong, rollout(canary={"stableService": "stable"}))
        await refused(stage, 'Service "stable" has unmatch label "app" in rollout')
        await stage.apply(service("stable"))
        await stage.reaches("Healthy", limit=2)


async def test_a_missing_virtual_service_is_named_and_takes_effect_when_it_comes() -> None:
    async with Stage() as stage:
        objects = [each for each in istio(make.weight(20)) if each["kind"] != "VirtualService"]
        await stage.apply(*objects)
        path = "spec.strategy.canary.trafficRouting.istio.virtualService.name"
        await refused(stage, f'{path}: Invalid value: "vs": virtualservices.networking.istio.io "vs" not found')
        await stage.apply(virtual_service())
        await stage.reaches("Healthy", limit=2)


async def test_a_virtual_service_that_disappears_in_the_middle_is_told_and_taken_up_again() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(20), make.pause()))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.delete(VIRTUAL_SERVICE, "vs")
        await refused(stage, 'virtualservices.networking.istio.io "vs" not found')
        await stage.apply(virtual_service())
        await stage.until(lambda: stage.weights() == {"stable": 80, "canary": 20}, limit=AT_ONCE)


async def test_a_missing_route_is_named_and_takes_effect_when_it_comes() -> None:
    routing = {"istio": {"virtualService": {"name": "vs", "routes": ["checkout"]}}}
    async with Stage() as stage:
        canary = {**make.ISTIO, "trafficRouting": routing}
        await stage.apply(service("stable"), service("canary"), virtual_service(), rollout(canary=canary))
        await refused(stage, "HTTP Route 'checkout' is not found in the defined Virtual Service.")
        repaired = virtual_service()
        repaired["spec"]["http"][0]["name"] = "checkout"
        await stage.apply(repaired)
        await stage.reaches("Healthy", limit=2)


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        (("elsewhere", "canary"), "Stable Service 'stable' not found in route"),
        (("stable", "elsewhere"), "Canary Service 'canary' not found in route"),
    ],
)
async def test_a_route_that_leads_elsewhere_is_refused(hosts: tuple[str, str], text: str) -> None:
    async with Stage() as stage:
        canary = dict(make.ISTIO)
        await stage.apply(service("stable"), service("canary"), virtual_service(hosts=hosts), rollout(canary=canary))
        await refused(stage, text)


async def test_a_missing_template_is_named_and_takes_effect_when_it_comes() -> None:
    async with Stage() as stage:
        await stage.apply(rollout(make.weight(20), judged()))
        await refused(stage, f"{STEPS}[1].analysis.templates", "AnalysisTemplate 'check' not found")
        assert stage.sizes() == {}
        await stage.apply(template())
        await stage.reaches("Healthy", limit=2)


async def test_a_template_that_disappears_in_the_middle_stops_the_rollout_but_not_its_pods() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(40), make.pause(), judged()))
        await stage.release("img:2")
        await stage.reaches("Paused")
        sizes = stage.sizes()
        await stage.delete(ANALYSIS_TEMPLATE, "check")
        await refused(stage, "AnalysisTemplate 'check' not found")
        assert stage.sizes() == sizes
        await stage.apply(template())
        await healed(stage)
        stage.prometheus.says("errors", 0.0)
        await stage.promote()
        await stage.reaches("Healthy")


FOREIGN = metric(provider={"plugin": {"acme/metrics": {"query": "x"}}})
JUDGED_BY_OUTER: dict[str, Obj] = {
    "in a step": rollout(make.weight(20), judged("outer")),
    "in the background": rollout(make.weight(20), canary={"analysis": analysis("outer")}),
    "before a switch": make.blue_green(prePromotionAnalysis=analysis("outer")),
    "after a switch": make.blue_green(postPromotionAnalysis=analysis("outer")),
}


@pytest.mark.parametrize("judged_rollout", JUDGED_BY_OUTER.values(), ids=JUDGED_BY_OUTER)
async def test_a_template_of_a_provider_that_is_not_supported_is_refused_by_name(judged_rollout: Obj) -> None:
    async with Stage() as stage:
        outer = template("outer", metric("other"), templates=[{"templateName": "check"}])
        await stage.apply(service("active"), service("preview"), outer, template("check", FOREIGN), judged_rollout)
        await refused(stage, "\"check\": metric 'errors': provider plugin acme/metrics is not supported")
        await stage.apply(template())
        await stage.reaches("Healthy", limit=2)


async def test_templates_that_name_each_other_are_refused_not_followed_for_ever() -> None:
    async with Stage() as stage:
        one = template("one", templates=[{"templateName": "two"}])
        two = template("two", metric("other"), templates=[{"templateName": "one"}])
        await stage.apply(one, two, rollout(make.weight(20), judged("one")))
        await refused(stage, "AnalysisTemplate 'one' includes itself: one -> two -> one")


async def test_a_step_without_templates_is_refused_not_waited_for_for_ever() -> None:
    async with Stage() as stage:
        await stage.apply(rollout({"analysis": {"templates": []}}))
        await refused(stage, f"{STEPS}[0].analysis.templates")


async def test_a_field_that_an_argument_names_in_vain_is_told() -> None:
    args = [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "spec.nowhere"}}}]
    async with Stage() as stage:
        await stage.apply(template(args=({"name": "x"},)), rollout(make.weight(20), judged(args=args)))
        await refused(stage, "invalid path spec.nowhere in rollout")


async def test_another_fault_replaces_the_one_that_was_told() -> None:
    async with Stage() as stage:
        await stage.apply(rollout(canary={"stableService": "one", "canaryService": "two"}))
        await refused(stage, 'service "one" not found')
        await stage.apply(service("one"))
        await stage.until(lambda: 'service "two" not found' in stage.condition("InvalidSpec")["message"], limit=AT_ONCE)
