"""The controller at work under its own role: no right is missing, and none is granted that nobody uses."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest

from analysis.asked import BURN_RATE
from analysis.schema import format_time
from rollouts.api.template import pod_template_hash
from rollouts.kube.errors import ApiError, Refused
from rollouts.kube.lease import Lease
from rollouts.kube.refs import ANALYSIS_RUN, CRD, DEPLOYMENT, JOB, POD_TEMPLATE, REPLICA_SET, ROLLOUT, SERVICE
from rollouts.prober.balancers import bindings
from rollouts.sandbox import clock
from rollouts.traffic.base import TrafficSettings
from tests import make
from tests.deploy.rendered import DEPLOY, objects
from tests.experiment.rights import experiments_of_every_kind
from tests.stories.families import FAMILIES, definition
from tests.stories.line import Call, Line
from tests.stories.objects import (
    analysis_run,
    by_job,
    job_spec,
    judged,
    metric,
    rollout,
    service,
    template,
    virtual_service,
)
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

DESTINATION_RULE = TrafficSettings().destination_rules
(ROLE,) = objects(DEPLOY / "role" / "role.yaml")
LEADER, _ = objects(DEPLOY / "base" / "leader-role.yaml")
VERBS = {"replace": "update"}


class Right(NamedTuple):
    """One verb on one resource; a subresource follows a slash."""

    group: str
    resource: str
    verb: str


FOR_ADMISSION = {
    Right("argoproj.io", "rollouts/finalizers", "update"),
    Right("argoproj.io", "analysisruns/finalizers", "update"),
    Right("argoproj.io", "experiments/finalizers", "update"),
}
"""Asked for by an admission plugin when an object is created that blocks the deletion of its owner."""


FOR_RACES = {Right("argoproj.io", "analysisruns", "get")}
"""Asked for when a run of that name exists and the watch has not told of it yet: who has the name?"""


def granted(role: dict[str, Any]) -> set[Right]:
    return {
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(calls: Iterable[Call]) -> Iterator[Right]:
    for call in calls:
        plural = "/".join(filter(None, (call.resource.plural, call.subresource)))
        yield Right(call.resource.group, plural, VERBS.get(call.verb, call.verb))


def only(role: dict[str, Any]) -> Any:
    """Refuses, as an API server does, what a role does not grant."""
    rights = granted(role)

    def fault(call: Call) -> ApiError | None:
        (right,) = used([call])
        if right in rights:
            return None
        return Refused(f"cannot {right.verb} resource {right.resource!r}", code=403, reason="Forbidden")

    return fault


class Guarded(Stage):
    """A stage whose controller has its role's rights, and no others."""

    def start(self) -> None:
        super().start()
        self.line.faults.append(only(ROLE))


def secret_argument() -> dict[str, Any]:
    return {"name": "token", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "prometheus"}}}


async def a_release_with_everything(stage: Guarded) -> None:
    """Traffic by Istio, metadata of running pods, a template of each scope, a Secret, and all of it deleted."""
    canary = {**make.ISTIO, "canaryMetadata": {"labels": {"role": "canary"}}, "abortScaleDownDelaySeconds": 1}
    canary |= {"stableMetadata": {"labels": {"role": "stable"}}, "scaleDownDelaySeconds": 1}
    steps = (make.weight(20), judged("check"), make.pause())
    await stage.apply(
        service("stable"),
        service("canary"),
        virtual_service(),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "tokens", "namespace": "default"},
            "data": {"prometheus": "eA=="},
        },
        template("check", metric(condition="result[0] < 1"), args=(secret_argument(),)),
        rollout(*steps, canary=canary, revisionHistoryLimit=0),
    )
    stage.prometheus.says("errors", 0)
    await stage.reaches("Healthy")
    for image in ("img:2", "img:3"):
        await stage.release(image)
        await stage.reaches("Paused", "CanaryPauseStep")
        await stage.promote()
        await stage.reaches("Healthy")


async def a_release_whose_name_is_taken(stage: Guarded) -> None:
    """What its ReplicaSet would be called is there already, and is somebody else's."""
    pods = {**make.template("img:4"), "metadata": {"labels": {"app": "else"}}}
    taken = {
        "apiVersion": REPLICA_SET.api_version,
        "kind": REPLICA_SET.kind,
        "metadata": {"name": f"r-{make.hash_of('img:4')}", "labels": {"app": "else"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "else"}}, "template": pods},
    }
    await stage.wire.create(REPLICA_SET, "default", taken)
    await stage.release("img:4")
    await stage.reaches("Paused", "CanaryPauseStep")
    assert stage.status()["currentPodHash"] == pod_template_hash(make.template("img:4"), 1)


async def a_release_taken_back_twice(stage: Guarded) -> None:
    """The same Event a second time is counted up on the one that is there."""
    for _ in range(2):
        await stage.abort()
        await stage.reaches("Degraded")
        await stage.passes(60)
        await stage.retry()
        await stage.reaches("Paused", "CanaryPauseStep")


async def pods_that_are_replaced(stage: Guarded) -> None:
    await stage.edit(restartAt=format_time(clock.now()))
    await stage.until(lambda: stage.status().get("restartedAt"))


async def measurements_by_job(stage: Guarded) -> None:
    """One after another, so that the first ones are forgotten, and one that is not waited for."""
    often = by_job("often", spec=job_spec(run_time="1s"), count=2, interval="1s")
    kept = [{"metricName": "often", "limit": 1}]
    long = by_job("long", spec=job_spec(run_time="1h"))
    await stage.wire.create(ANALYSIS_RUN, "default", analysis_run(often, long, measurementRetention=kept))
    await stage.until(lambda: len(stage.all(JOB)) == 2 and {"often.2", "long.1"} <= _metrics(stage))
    await stage.change(ANALYSIS_RUN, "run", {"spec": {"terminate": True}})
    await stage.until(lambda: stage.runs()["run"] == "Inconclusive")


async def a_run_judged_by_an_objective(stage: Guarded) -> None:
    """Pyrra is not there: the run says so."""
    asked = {"errors": {"slo": "api", "canary": 'track="canary"', "atLeast": 1, "longestWait": "1m"}}
    run = analysis_run(metric())
    run["metadata"] |= {"name": "promised", "annotations": {BURN_RATE: json.dumps(asked)}}
    await stage.wire.create(ANALYSIS_RUN, "default", run)
    await stage.until(lambda: stage.runs()["promised"] == "Error")


def _metrics(stage: Guarded) -> set[str]:
    return {job["metadata"]["name"].partition(".")[2] for job in stage.all(JOB)}


async def templates_from_elsewhere(stage: Guarded) -> None:
    """A Deployment that hands its pods over, and a PodTemplate."""
    labelled = {"app": "taken"}
    pods = {**make.template(), "metadata": {"labels": labelled}}
    spec = {"replicas": 1, "selector": {"matchLabels": labelled}, "template": pods}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    await stage.wire.create(DEPLOYMENT, "default", deployment)
    held = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "p"}, "template": pods}
    await stage.wire.create(POD_TEMPLATE, "default", held)
    for kind, version, name in (("Deployment", "apps/v1", "d"), ("PodTemplate", "v1", "p")):
        referring = rollout(name=name, replicas=1)
        del referring["spec"]["template"]
        referring["spec"]["selector"] = {"matchLabels": labelled}
        referring["spec"]["workloadRef"] = {"apiVersion": version, "kind": kind, "name": name}
        if kind == "Deployment":
            referring["spec"]["workloadRef"]["scaleDown"] = "progressively"
        await stage.apply(referring)
        await stage.reaches("Healthy", name=name)
    await stage.until(lambda: stage.get(DEPLOYMENT, "d")["spec"]["replicas"] == 0)


async def a_release_by_every_router(stage: Guarded) -> None:
    """Each with a header route, where it can."""
    match = [{"headerName": "x-test", "headerValue": {"exact": "yes"}}]
    header = {"setHeaderRoute": {"name": "testers", "match": match}}
    for key, family in FAMILIES.items():
        name = key.lower()
        steps = (*((header,) if family.headers else ()), make.weight(20), make.pause())
        await family.install(stage, *steps, name=name, replicas=1)
        await stage.release("img:2", name)
        await stage.reaches("Paused", name=name)
        await stage.promote(name)
        await stage.reaches("Healthy", name=name)
        await stage.passes(5)
        await stage.delete(ROLLOUT, name)


async def subsets_that_follow_the_pods(stage: Guarded) -> None:
    subsets = [{"name": "old", "labels": {"app": "r"}}, {"name": "new", "labels": {"app": "r"}}]
    spec = {"host": "subsets", "subsets": subsets}
    metadata = {"name": "subsets", "namespace": "default"}
    rule = {"apiVersion": DESTINATION_RULE.api_version, "kind": "DestinationRule", "metadata": metadata, "spec": spec}
    await stage.wire.create(DESTINATION_RULE, "default", rule)
    named = {"name": "subsets", "canarySubsetName": "new", "stableSubsetName": "old"}
    route = [{"destination": {"host": "subsets", "subset": name}, "weight": 50} for name in ("old", "new")]
    mesh = virtual_service("subsets")
    mesh["spec"] = {"hosts": ["subsets"], "http": [{"route": route}]}
    routing = {"istio": {"virtualService": {"name": "subsets"}, "destinationRule": named}}
    services = {"canaryService": "new", "stableService": "old"}
    manifest = rollout(name="subsets", canary={**services, "trafficRouting": routing}, replicas=1)
    await stage.apply(service("old"), service("new"), mesh, manifest)
    await stage.reaches("Healthy", name="subsets")
    hashed = {"app": "r", "rollouts-pod-template-hash": stage.status("subsets")["stableRS"]}
    await stage.until(lambda: stage.get(DESTINATION_RULE, "subsets")["spec"]["subsets"][0]["labels"] == hashed)


async def targets_that_are_looked_for(stage: Guarded) -> None:
    """Load balancers are asked for the pods of a Service; here there is no AWS that could answer."""
    known = bindings("elbv2.k8s.aws/v1beta1")
    await stage.wire.create(CRD, "", definition(known))
    spec = {"targetGroupARN": "arn:x", "targetType": "ip", "serviceRef": {"name": "active", "port": 80}}
    binding = {"apiVersion": known.api_version, "kind": known.kind, "metadata": {"name": "b"}, "spec": spec}
    await stage.wire.create(known, "default", binding)
    manifest = rollout(name="bound", replicas=1)
    manifest["spec"]["strategy"] = {"blueGreen": {"activeService": "active"}}
    await stage.apply(service("active"), manifest)
    await stage.reaches("Healthy", name="bound")
    await stage.release("img:2", "bound")
    await stage.until(lambda: any(call.resource.plural == "endpoints" for call in stage.line.calls))
    await stage.delete(ROLLOUT, "bound")


async def test_its_role_is_what_it_takes_to_move_releases_and_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with Guarded() as stage:
        await a_release_with_everything(stage)
        await a_release_whose_name_is_taken(stage)
        await a_release_taken_back_twice(stage)
        await templates_from_elsewhere(stage)
        await pods_that_are_replaced(stage)
        await experiments_of_every_kind(stage)
        await measurements_by_job(stage)
        await a_run_judged_by_an_objective(stage)
        await a_release_by_every_router(stage)
        await subsets_that_follow_the_pods(stage)
        await stage.delete(ROLLOUT, "r")
        await stage.until(lambda: "annotations" not in stage.get(SERVICE, "stable")["metadata"])
        await stage.passes(600)
        calls = list(stage.line.calls)
    async with Guarded("--aws-verify-target-group") as stage:
        await targets_that_are_looked_for(stage)
        calls += stage.line.calls
    assert set(used(calls)) == granted(ROLE) - FOR_ADMISSION - FOR_RACES


async def test_the_role_of_its_own_namespace_is_what_it_takes_to_lead() -> None:
    async with Stage(controller=False) as stage:
        line = Line(stage.wire)
        line.faults.append(only(LEADER))
        lease = Lease(line, clock.now, namespace="default", name="lock", identity="us")
        await lease.run(lambda: stage.passes(20))
    assert set(used(line.calls)) == granted(LEADER)
