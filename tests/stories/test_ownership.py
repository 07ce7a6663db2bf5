"""What a controller looks after: whose Rollouts, Services and ReplicaSets, and what it leaves behind."""

import pytest

from rollouts.api import labels
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    DEPLOYMENT,
    POD,
    REPLICA_SET,
    ROLLOUT,
    SERVICE,
    controller_of,
)
from tests import make
from tests.stories.objects import judged, metric, rollout, service, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

TWO_STEPS = (make.weight(40), make.pause())
V1 = "9f9bc55f7"


async def test_several_rollouts_go_their_ways_at_once() -> None:
    names = ("a", "b", "c")
    async with Stage() as stage:
        for name in names:
            own = rollout(*TWO_STEPS, name=name, replicas=2)
            own["spec"]["selector"] = {"matchLabels": {"app": name}}
            own["spec"]["template"]["metadata"]["labels"] = {"app": name}
            await stage.apply(own)
        for name in names:
            await stage.reaches("Healthy", name=name)
            await stage.release("img:2", name)
        for name in names:
            await stage.reaches("Paused", name=name)
        await stage.promote("a")
        await stage.abort("b")
        await stage.reaches("Healthy", name="a")
        await stage.reaches("Degraded", name="b")
        assert stage.phase("c").phase == "Paused"
        assert stage.sizes("c") == {"img:1": 2, "img:2": 1}


async def test_an_instance_looks_only_after_its_own() -> None:
    async with Stage("--instance-id", "blue") as stage:
        mine = rollout(replicas=1)
        mine["metadata"]["labels"] = {labels.INSTANCE_ID: "blue"}
        foreign = rollout(replicas=1, name="other")
        await stage.apply(mine, foreign)
        await stage.reaches("Healthy")
        await stage.passes(60)
        assert "status" not in stage.rollout("other")
        await stage.change(ROLLOUT, "other", {"metadata": {"labels": {labels.INSTANCE_ID: "blue"}}})
        await stage.until(lambda: stage.status("other").get("phase"))


async def test_a_controller_without_an_instance_leaves_the_others_alone() -> None:
    async with Stage() as stage:
        foreign = rollout(replicas=1)
        foreign["metadata"]["labels"] = {labels.INSTANCE_ID: "blue"}
        await stage.apply(foreign)
        await stage.passes(60)
        assert "status" not in stage.rollout()


async def test_an_instance_knows_only_its_own_templates() -> None:
    async with Stage("--instance-id", "blue") as stage:
        mine = rollout(judged("check"), replicas=1)
        mine["metadata"]["labels"] = {labels.INSTANCE_ID: "blue"}
        foreign = template("check", metric("m"))
        await stage.apply(foreign, mine)
        await stage.reaches("Degraded")
        assert "AnalysisTemplate 'check' not found" in stage.phase().message
        await stage.change(ANALYSIS_TEMPLATE, "check", {"metadata": {"labels": {labels.INSTANCE_ID: "blue"}}})
        await stage.reaches("Healthy")


async def test_a_service_of_another_instance_keeps_its_pods() -> None:
    async with Stage() as stage:
        foreign = rollout(replicas=1, canary={"stableService": "stable"})
        foreign["metadata"]["labels"] = {labels.INSTANCE_ID: "blue"}
        theirs = service("stable")
        theirs["metadata"]["annotations"] = {labels.MANAGED_BY_ROLLOUTS: "r"}
        theirs["spec"]["selector"][labels.POD_TEMPLATE_HASH] = V1
        await stage.apply(foreign, theirs)
        await stage.passes(60)
        assert stage.get(SERVICE, "stable")["spec"]["selector"][labels.POD_TEMPLATE_HASH] == V1
        await stage.delete(ROLLOUT, "r")
        await stage.change(SERVICE, "stable", {"metadata": {"labels": {"a": "change"}}})
        await stage.until(lambda: labels.POD_TEMPLATE_HASH not in stage.get(SERVICE, "stable")["spec"]["selector"])


async def test_a_namespaced_controller_asks_for_nothing_outside_its_namespace() -> None:
    async with Stage("--namespaced", "--namespace", "default") as stage:
        await stage.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "far"}})
        far = rollout(replicas=1)
        far["metadata"]["namespace"] = "far"
        await stage.apply(far)
        await stage.deploy(rollout(replicas=1))
        assert "status" not in (stage.find(ROLLOUT, "r", "far") or {})
        assert ("list", "clusteranalysistemplates") not in stage.requests()


async def test_a_namespaced_controller_knows_no_templates_of_the_whole_cluster() -> None:
    async with Stage("--namespaced", "--namespace", "default") as stage:
        wide = template("wide", metric("m"), kind="ClusterAnalysisTemplate")
        step = {"analysis": {"templates": [{"templateName": "wide", "clusterScope": True}]}}
        await stage.apply(wide, rollout(step, replicas=1))
        await stage.reaches("Degraded")
        assert "ClusterAnalysisTemplate 'wide' not found" in stage.phase().message
        assert "clusteranalysistemplates" not in {resource for _, resource in stage.requests()}


async def test_a_deleted_rollout_leaves_no_pods_and_its_services_free() -> None:
    async with Stage() as stage:
        named = {"stableService": "stable", "canaryService": "canary"}
        await stage.deploy(service("stable"), service("canary"), rollout(canary=named))
        await stage.until(lambda: labels.POD_TEMPLATE_HASH in stage.get(SERVICE, "stable")["spec"]["selector"])
        await stage.delete(ROLLOUT, "r")
        await stage.until(lambda: not stage.all(POD))
        assert stage.all(REPLICA_SET) == []
        assert stage.all(ANALYSIS_RUN) == []
        for name in ("stable", "canary"):
            freed = stage.get(SERVICE, name)
            assert freed["spec"]["selector"] == {"app": "r"}
            assert not freed["metadata"].get("annotations")


async def test_a_service_that_the_spec_drops_is_let_go() -> None:
    async with Stage() as stage:
        named = {"stableService": "stable", "canaryService": "canary"}
        await stage.deploy(service("stable"), service("canary"), rollout(canary=named))
        await stage.until(lambda: labels.POD_TEMPLATE_HASH in stage.get(SERVICE, "canary")["spec"]["selector"])
        await stage.edit(strategy={"canary": {"canaryService": None}})
        await stage.until(lambda: stage.get(SERVICE, "canary")["spec"]["selector"] == {"app": "r"})
        assert stage.get(SERVICE, "stable")["spec"]["selector"][labels.POD_TEMPLATE_HASH] == V1


async def test_a_service_in_use_is_taken_over_only_when_all_pods_are_there() -> None:
    async with Stage() as stage:
        labelled = {"app": "r"}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "old", "namespace": "default"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {**labelled, "by": "deployment"}},
                "template": {
                    "metadata": {"labels": {**labelled, "by": "deployment"}},
                    "spec": {"containers": [{"name": "c", "image": "img:0"}]},
                },
            },
        }
        await stage.apply(service("web"), deployment)
        await stage.until(lambda: stage.serves("web") == {"img:0"})
        slow = rollout(canary={"stableService": "web"}, replicas=2, script={"ready": "after 20s"})
        await stage.apply(slow)
        served: list[int] = []
        stage.whenever(lambda: served.append(len(stage.behind("web"))))
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.serves("web") == {"img:1"})
        assert min(served) >= 2
        await stage.delete(DEPLOYMENT, "old")
        await stage.until(lambda: len(stage.all(POD)) == 2)
        assert stage.serves("web") == {"img:1"}


async def test_an_orphaned_replica_set_of_ours_is_taken_over_without_a_restart() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(replicas=2))
        pods = {pod["metadata"]["uid"] for pod in stage.all(POD)}
        manifest = rollout(replicas=2)
        await stage.wire.delete(ROLLOUT, "default", "r", propagation="Orphan")
        await stage.until(lambda: controller_of(stage.all(REPLICA_SET)[0]) is None)
        await stage.deploy(manifest)
        assert {pod["metadata"]["uid"] for pod in stage.all(POD)} == pods


async def test_a_replica_set_without_our_label_is_nobody_we_know() -> None:
    async with Stage() as stage:
        template = {"metadata": {"labels": {"app": "r"}}, "spec": {"containers": [{"name": "c", "image": "img:1"}]}}
        foreign = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": "theirs", "namespace": "default"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "r"}}, "template": template},
        }
        await stage.apply(foreign)
        await stage.deploy(rollout(replicas=2))
        await stage.passes(60)
        theirs = stage.get(REPLICA_SET, "theirs")
        assert (controller_of(theirs), theirs["spec"]["replicas"]) == (None, 1)
        assert stage.sizes() == {"img:1": 2}


async def test_a_controller_that_starts_anew_changes_nothing_on_a_settled_rollout() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS))
        await stage.stop()
        stage.start()
        await stage.passes(60)
        assert stage.line.writes == []


async def test_a_settled_rollout_costs_no_calls_all_day() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS))
        await stage.passes(60)
        stage.line.calls.clear()
        await stage.passes(86_400)
        assert stage.line.calls == []


async def test_a_run_of_somebody_else_by_the_same_name_is_left_alone_and_ours_gets_a_number() -> None:
    name = "r-79dbf75f7b-2-1"
    foreign = {
        "apiVersion": ANALYSIS_RUN.api_version,
        "kind": ANALYSIS_RUN.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"metrics": [metric(interval="1h")]},
    }
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0.01)
        await stage.wire.create(ANALYSIS_RUN, "default", foreign)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert stage.runs() == {name: "Running", f"{name}.1": "Successful"}
