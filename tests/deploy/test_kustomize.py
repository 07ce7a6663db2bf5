"""What kustomize makes of deploy/, and what an API server says to it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rollouts.api.crds import DEFINITIONS
from tests.deploy.rendered import DEPLOY, ROOT, kustomized, names, one
from tests.sandbox.kubectl import Kubectl, needs_kubectl, session

pytestmark = needs_kubectl

CONTROLLER = {
    ("ServiceAccount", "argo-rollouts"),
    ("Deployment", "argo-rollouts"),
    ("Service", "argo-rollouts-metrics"),
    ("Role", "argo-rollouts-leader"),
    ("RoleBinding", "argo-rollouts-leader"),
}
DEFINED = {("CustomResourceDefinition", f"{definition.plural}.argoproj.io") for definition in DEFINITIONS}
CLUSTER_WIDE = {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
AS_THE_CONTROLLER = "--as=system:serviceaccount:argo-rollouts:argo-rollouts"


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with session(tmp_path, workloads=True) as kubectl:
        yield kubectl


def test_the_cluster_install_is_all_that_a_cluster_needs() -> None:
    aggregate = {("ClusterRole", f"argo-rollouts-aggregate-to-{role}") for role in ("view", "edit", "admin")}
    bound = {("ClusterRole", "argo-rollouts"), ("ClusterRoleBinding", "argo-rollouts")}
    expected = CONTROLLER | DEFINED | aggregate | bound | {("Namespace", "argo-rollouts")}
    assert names(kustomized("cluster-install")) == expected


def test_the_cluster_install_stands_in_one_namespace() -> None:
    found = kustomized("cluster-install")
    places = {obj["metadata"].get("namespace") for obj in found if obj["kind"] not in CLUSTER_WIDE}
    bindings = [obj for obj in found if obj["kind"] in ("ClusterRoleBinding", "RoleBinding")]
    assert places | {subject["namespace"] for binding in bindings for subject in binding["subjects"]} == {
        "argo-rollouts"
    }


def test_the_namespace_install_asks_for_nothing_outside_of_its_namespace() -> None:
    found = kustomized("namespace-install")
    assert names(found) == CONTROLLER | {("Role", "argo-rollouts"), ("RoleBinding", "argo-rollouts")}
    assert not CLUSTER_WIDE & {obj["kind"] for obj in found}
    assert one(found, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"] == ["--namespaced"]
    resources = {name for rule in one(found, "Role")["rules"] for name in rule["resources"]}
    assert "clusteranalysistemplates" not in resources


def test_every_binding_leads_to_a_role_that_is_there() -> None:
    for folder in ("cluster-install", "namespace-install"):
        found = kustomized(folder)
        wanted = {(obj["roleRef"]["kind"], obj["roleRef"]["name"]) for obj in found if obj["kind"].endswith("Binding")}
        assert wanted
        assert wanted <= names(found)


async def test_the_cluster_install_is_accepted_and_repeats_without_a_change(kubectl: Kubectl) -> None:
    folder = str(DEPLOY / "cluster-install")
    first = (await kubectl("apply", "-k", folder)).lines
    assert len(first) == len(kustomized("cluster-install"))
    created = {line.split()[0] for line in first if line.endswith(" created")}
    assert created >= {"deployment.apps/argo-rollouts", "clusterrole.rbac.authorization.k8s.io/argo-rollouts"}
    again = (await kubectl("apply", "-k", folder)).lines
    assert [line for line in again if not line.endswith(" unchanged")] == []
    await kubectl("-n", "argo-rollouts", "rollout", "status", "deployment/argo-rollouts", "--timeout=20s")
    assert (await kubectl("get", "rollouts")).err.strip() == "No resources found in default namespace."


async def test_the_service_account_may_do_what_the_role_says_and_no_more(kubectl: Kubectl) -> None:
    await kubectl("apply", "-k", str(DEPLOY / "cluster-install"))

    async def may(*question: str) -> str:
        return (await kubectl.run("auth", "can-i", *question, AS_THE_CONTROLLER)).out.strip()

    assert await may("patch", "rollouts.argoproj.io", "--subresource=status", "-n", "shop") == "yes"
    assert await may("create", "leases.coordination.k8s.io", "-n", "argo-rollouts") == "yes"
    assert await may("create", "leases.coordination.k8s.io", "-n", "shop") == "no"
    assert await may("list", "secrets", "-n", "shop") == "no"
    assert await may("delete", "pods", "-n", "shop") == "no"


async def test_the_namespace_install_is_accepted_after_the_definitions(kubectl: Kubectl) -> None:
    await kubectl("apply", "-k", str(DEPLOY / "crds"))
    await kubectl("create", "namespace", "shop")
    await kubectl("apply", "-n", "shop", "-k", str(DEPLOY / "namespace-install"))
    await kubectl("-n", "shop", "rollout", "status", "deployment/argo-rollouts", "--timeout=20s")


async def test_a_plain_apply_of_the_folder_of_definitions_works(kubectl: Kubectl) -> None:
    assert len((await kubectl("apply", "-f", str(ROOT / "crds"))).lines) == len(DEFINITIONS)
    found = json.loads((await kubectl("get", "crds", "-o", "json")).out)["items"]
    assert {name for _, name in DEFINED} <= {obj["metadata"]["name"] for obj in found}
