"""Load balancers asked over HTTP, as moto serves them: what is behind an Ingress, what a Service has registered."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from analysis.providers.http import Http
from rollouts.decide.questions import Answer, CheckedTargets, CheckedWeights, CheckTargets, CheckWeights
from rollouts.kube.refs import CRD, ENDPOINTS, Obj
from rollouts.prober.balancers import BalancerChecks, Names, bindings
from rollouts.prober.elb import Elb
from rollouts.prober.prober import Finding
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.clock import now
from tests.prober.cloud import TAG, Cloud, cloud
from tests.stories.families import definition

BINDINGS = bindings("elbv2.k8s.aws/v1beta1")
ROLLOUT: Obj = {"metadata": {"name": "r", "namespace": "default", "uid": "u"}}
ASKED = CheckWeights(("web",), 80, "stable", (("canary", 20),))


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


@pytest.fixture
def aws(served: Cloud) -> Iterator[Cloud]:
    """A cloud in which nothing is left of the test before."""
    yield served
    for each in served.api.describe_load_balancers()["LoadBalancers"]:
        served.api.delete_load_balancer(LoadBalancerArn=each["LoadBalancerArn"])
    for each in served.api.describe_target_groups()["TargetGroups"]:
        served.api.delete_target_group(TargetGroupArn=each["TargetGroupArn"])


class Cluster:
    """Ingresses and Services as caches hold them, and an API server for what nobody watches."""

    def __init__(self) -> None:
        self.api = ApiServer(now)
        self.http = Http()
        self.ingresses: dict[str, Obj] = {}
        self.services: dict[str, Obj] = {}
        self.elb = Elb(self.http, lambda: datetime.now(UTC))
        self.checks = BalancerChecks(
            self.elb,
            self.api,
            lambda _, name: self.ingresses.get(name),
            lambda _, name: self.services.get(name),
            lambda: datetime(2026, 1, 1, tzinfo=UTC),
            Names(TAG, BINDINGS),
        )

    def ingress(self, *hostnames: str, name: str = "web") -> None:
        addresses = [{"hostname": hostname} for hostname in hostnames]
        self.ingresses[name] = {"metadata": {"name": name}, "status": {"loadBalancer": {"ingress": addresses}}}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    made = Cluster()
    yield made
    await made.http.close()


def said(finding: Finding[Answer]) -> list[tuple[str, str, str]]:
    return [(event.type, event.reason, event.message) for event in finding.events]


def balanced(aws: Cloud, cluster: Cluster, canary: int, name: str = "web", **others: int) -> None:
    cluster.ingress(aws.balancer(name), name=name)
    weights = {"canary": canary, **others, "stable": 100 - canary - sum(others.values())}
    for service in weights:
        aws.group(f"{name}-{service}", f"default/{name}-{service}:80")
    aws.forwards(name, **{f"{name}_{service}": weight for service, weight in weights.items()})


# ── weights ──


async def test_a_weight_that_is_there_is_verified_and_everything_is_named(aws: Cloud, cluster: Cluster) -> None:
    balanced(aws, cluster, 20)
    finding = await cluster.checks.weights(ROLLOUT, ASKED)
    answer, group = finding.answer, aws.groups["web-canary"]
    assert isinstance(answer, CheckedWeights)
    assert answer.verified
    (alb,) = answer.albs
    assert (alb.ingress, alb.load_balancer.name) == ("web", "web")
    assert alb.load_balancer.full_name == "/".join(alb.load_balancer.arn.split("/")[2:])
    assert alb.canary_target_group.wire() == {"name": "web-canary", "arn": group, "fullName": group.split(":")[-1][12:]}
    assert alb.stable_target_group.name == "web-stable"
    assert said(finding) == [
        ("Normal", "TargetGroupVerified", f"Service canary (TargetGroup {group}) verified: canary weight 20 set")
    ]


async def test_a_weight_that_has_not_followed_is_told_with_the_one_that_is_there(aws: Cloud, cluster: Cluster) -> None:
    balanced(aws, cluster, 5)
    finding = await cluster.checks.weights(ROLLOUT, ASKED)
    assert not finding.answer.verified
    lacks = "not verified: canary weight 20 not yet set (current: 5)"
    text = f"Service canary (TargetGroup {aws.groups['web-canary']}) {lacks}"
    assert said(finding) == [("Warning", "TargetGroupUnverified", text)]


async def test_an_ingress_without_a_load_balancer_is_not_verified(aws: Cloud, cluster: Cluster) -> None:
    cluster.ingress()
    finding = await cluster.checks.weights(ROLLOUT, ASKED)
    assert (finding.answer.verified, said(finding)) == (False, [])


async def test_a_host_name_that_leads_to_no_load_balancer_is_told(aws: Cloud, cluster: Cluster) -> None:
    cluster.ingress("gone.example.com")
    finding = await cluster.checks.weights(ROLLOUT, ASKED)
    text = "Failed to find load balancer: gone.example.com"
    assert (finding.answer.verified, said(finding)) == (False, [("Warning", "LoadBalancerNotFound", text)])


async def test_a_header_route_to_the_canary_alone_does_not_count_as_its_weight(aws: Cloud, cluster: Cluster) -> None:
    balanced(aws, cluster, 20)
    aws.forwards("web", priority=50, web_canary=100)
    assert (await cluster.checks.weights(ROLLOUT, ASKED)).answer.verified


async def test_all_ingresses_and_all_experiments_have_to_be_as_wanted(aws: Cloud, cluster: Cluster) -> None:
    for name in ("a", "b"):
        balanced(aws, cluster, 20, name, **{"try": 10})
    asked = CheckWeights(("a", "b"), 80, "stable", (("canary", 20), ("try", 10)))
    finding = await cluster.checks.weights(ROLLOUT, asked)
    assert finding.answer.verified
    assert [alb.ingress for alb in finding.answer.albs] == ["a", "b"]
    aws.forwards("b", b_canary=20, b_try=0, b_stable=80)
    finding = await cluster.checks.weights(ROLLOUT, asked)
    assert not finding.answer.verified
    assert "Service try" in said(finding)[-1][2]


async def test_weights_of_another_whole_are_compared_in_percent(aws: Cloud, cluster: Cluster) -> None:
    balanced(aws, cluster, 20)
    asked = CheckWeights(("web",), 80, "stable", (("canary", 200),), whole=1000)
    assert (await cluster.checks.weights(ROLLOUT, asked)).answer.verified


async def test_more_target_groups_than_the_api_gives_at_once_are_all_read(aws: Cloud, cluster: Cluster) -> None:
    cluster.ingress(aws.balancer("web"))
    for number in range(25):
        aws.group(f"other-{number}", f"default/other-{number}:80")
        aws.forwards("web", priority=100 + number, **{f"other_{number}": 1})
    aws.group("web-canary", "default/web-canary:80")
    aws.group("web-stable", "default/web-stable:80")
    aws.forwards("web", web_canary=20, web_stable=80)
    assert (await cluster.checks.weights(ROLLOUT, ASKED)).answer.verified


async def test_an_api_that_refuses_is_told_and_nothing_is_verified(
    aws: Cloud, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    balanced(aws, cluster, 20)
    elb = Elb(cluster.http, lambda: datetime.now(UTC))

    async def refuse(*_: Any, **__: Any) -> Any:
        from analysis.providers.base import ProviderError

        raise ProviderError("operation error DescribeTags: api error Throttling: Rate exceeded")

    monkeypatch.setattr(elb, "_call", refuse)
    cluster.checks._elb = elb
    finding = await cluster.checks.weights(ROLLOUT, ASKED)
    assert not finding.answer.verified
    error = "operation error DescribeTags: api error Throttling: Rate exceeded"
    assert said(finding) == [
        ("Warning", "TargetGroupVerifyError", f"Failed to verify Service canary (TargetGroup unknown): {error}"),
        ("Warning", "WeightVerifyError", f"Failed to verify weight: {error}"),
    ]


# ── targets ──

CHECK = CheckTargets("stable", "hash")


async def bound(cluster: Cluster, arn: str, kind: str = "ip", port: Any = 80) -> None:
    await cluster.api.create(CRD, "", definition(BINDINGS))
    spec = {"targetGroupARN": arn, "targetType": kind, "serviceRef": {"name": "stable", "port": port}}
    binding = {"apiVersion": BINDINGS.api_version, "kind": BINDINGS.kind, "metadata": {"name": "b"}, "spec": spec}
    await cluster.api.create(BINDINGS, "default", binding)


async def endpoints(cluster: Cluster, *ips: str) -> None:
    cluster.services["stable"] = {
        "metadata": {"name": "stable"},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "admin", "port": 81}]},
    }
    addresses = [{"ip": ip} for ip in ips]
    ports = [{"name": "http", "port": 8080}, {"name": "admin", "port": 9090}]
    subsets = [{"addresses": addresses, "ports": ports}]
    made = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "stable"}, "subsets": subsets}
    await cluster.api.create(ENDPOINTS, "default", made)


@pytest.mark.parametrize("port", [80, "http"])
async def test_targets_are_verified_when_every_endpoint_is_registered(aws: Cloud, cluster: Cluster, port: Any) -> None:
    arn = aws.group("stable")
    await bound(cluster, arn, port=port)
    await endpoints(cluster, "10.0.0.1", "10.0.0.2")
    aws.register("stable", ("10.0.0.1", 8080), ("10.0.9.9", 8080))
    finding = await cluster.checks.targets(ROLLOUT, CHECK)
    text = f"Service stable (TargetGroup {arn}) not verified: 1/2 endpoints registered"
    assert said(finding) == [("Warning", "TargetGroupUnverified", text)]
    assert finding.answer == CheckedTargets(finding.answer.at, False, text)
    aws.register("stable", ("10.0.0.2", 8080))
    finding = await cluster.checks.targets(ROLLOUT, CHECK)
    text = f"Service stable (TargetGroup {arn}) verified: 2 endpoints registered"
    assert (finding.answer.verified, said(finding)) == (True, [("Normal", "TargetGroupVerified", text)])


@pytest.mark.parametrize(("kind", "port"), [("instance", 80), ("ip", 99)])
async def test_bindings_that_are_not_of_these_pods_are_not_asked_about(
    aws: Cloud, cluster: Cluster, kind: str, port: int
) -> None:
    await bound(cluster, aws.group("stable"), kind, port)
    await endpoints(cluster, "10.0.0.1")
    assert (await cluster.checks.targets(ROLLOUT, CHECK)).answer.verified


async def test_a_cluster_without_bindings_has_nothing_to_verify(cluster: Cluster) -> None:
    await endpoints(cluster, "10.0.0.1")
    assert (await cluster.checks.targets(ROLLOUT, CHECK)).answer.verified


async def test_a_target_group_that_is_gone_is_told(aws: Cloud, cluster: Cluster) -> None:
    arn = aws.group("stable")
    aws.api.delete_target_group(TargetGroupArn=arn)
    await bound(cluster, arn)
    await endpoints(cluster, "10.0.0.1")
    finding = await cluster.checks.targets(ROLLOUT, CHECK)
    ((kind, reason, message),) = said(finding)
    assert (finding.answer.verified, kind, reason) == (False, "Warning", "TargetGroupVerifyError")
    assert message.startswith(
        f"Failed to verify Service stable (TargetGroup {arn}): operation error DescribeTargetHealth"
    )


async def test_pods_that_the_service_selected_before_do_not_count(aws: Cloud, cluster: Cluster) -> None:
    await bound(cluster, aws.group("stable"))
    await endpoints(cluster, "10.0.0.1")
    aws.register("stable", ("10.0.0.1", 8080))
    found = await cluster.api.get(ENDPOINTS, "default", "stable")
    found["subsets"][0]["addresses"][0]["targetRef"] = {"kind": "Pod", "name": "r-older-x"}
    await cluster.api.replace(ENDPOINTS, "default", "stable", found)
    assert not (await cluster.checks.targets(ROLLOUT, CHECK)).answer.verified
    found = await cluster.api.get(ENDPOINTS, "default", "stable")
    found["subsets"][0]["addresses"][0]["targetRef"]["name"] = "r-hash-x"
    await cluster.api.replace(ENDPOINTS, "default", "stable", found)
    assert (await cluster.checks.targets(ROLLOUT, CHECK)).answer.verified
