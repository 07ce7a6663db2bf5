"""Server-side apply as the real kubectl sees it: owners, conflicts, force, removal, coming from client-side apply."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.kubectl import CONFIG, ROLLOUT, Answer, Kubectl, deployment, needs_kubectl, session

pytestmark = needs_kubectl


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with session(tmp_path, workloads=False) as kubectl:
        yield kubectl


async def _apply(kubectl: Kubectl, obj: Any, *args: str, by: str = "kubectl") -> Answer:
    return await kubectl("apply", "--server-side", f"--field-manager={by}", *args, "-f", "-", given=obj)


def _owners(obj: Any) -> set[tuple[str, str]]:
    return {(entry["manager"], entry["operation"]) for entry in obj["metadata"]["managedFields"]}


async def _managed(kubectl: Kubectl, *args: str) -> Any:
    return json.loads((await kubectl("get", *args, "-o", "json", "--show-managed-fields")).out)


async def test_it_creates_and_repeats_without_a_change(kubectl: Kubectl) -> None:
    assert (await _apply(kubectl, deployment())).lines == ["deployment.apps/web serverside-applied"]
    first = await _managed(kubectl, "deploy", "web")
    await _apply(kubectl, deployment())
    assert await _managed(kubectl, "deploy", "web") == first
    assert _owners(first) == {("kubectl", "Apply")}
    owned = first["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert owned['k:{"name":"main"}']["f:image"] == {}
    assert "f:terminationMessagePath" not in owned['k:{"name":"main"}']


async def test_a_field_of_somebody_else_is_a_conflict_until_forced(kubectl: Kubectl) -> None:
    await _apply(kubectl, deployment(), by="first")
    said = await kubectl.refused(
        "apply", "--server-side", "--field-manager=second", "-f", "-", given=deployment(replicas=9)
    )
    assert said.startswith('error: Apply failed with 1 conflict: conflict with "first": .spec.replicas\n')
    assert "--force-conflicts" in said
    await _apply(kubectl, deployment(replicas=9), "--force-conflicts", by="second")
    assert (await kubectl.object("deploy", "web"))["spec"]["replicas"] == 9
    assert 'conflict with "second": .spec.replicas' in await kubectl.refused(
        "apply", "--server-side", "--field-manager=first", "-f", "-", given=deployment()
    )


async def test_an_ordinary_write_takes_the_field_and_is_named_with_its_version(kubectl: Kubectl) -> None:
    await _apply(kubectl, deployment())
    await kubectl("set", "image", "deploy/web", "main=web:7")
    await kubectl("scale", "deploy/web", "--replicas=7")
    said = await kubectl.refused("apply", "--server-side", "-f", "-", given=deployment())
    assert said.startswith("error: Apply failed with 2 conflicts: ")
    assert '"kubectl-set" using apps/v1' in said
    assert '- .spec.template.spec.containers[name="main"].image' in said
    assert "- .spec.replicas" in said


async def test_the_same_value_is_owned_together_and_stays_while_one_owner_is_left(kubectl: Kubectl) -> None:
    await _apply(kubectl, CONFIG | {"data": {"shared": "1", "own": "2"}}, by="first")
    await _apply(kubectl, CONFIG | {"data": {"shared": "1"}}, by="second")
    await _apply(kubectl, CONFIG | {"data": {}}, by="first")
    assert (await kubectl.object("cm", "conf"))["data"] == {"shared": "1"}
    await _apply(kubectl, CONFIG | {"data": {"other": "3"}}, by="second")
    assert (await kubectl.object("cm", "conf"))["data"] == {"other": "3"}


async def test_a_container_added_by_another_manager_is_merged_and_removed_alone(kubectl: Kubectl) -> None:
    await _apply(kubectl, deployment(), by="first")
    side = deployment()
    side["spec"] = {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}
    await _apply(kubectl, side, by="second")
    containers = (await kubectl.object("deploy", "web"))["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in containers] == ["main", "side"]
    side["spec"] = {"minReadySeconds": 1}
    await _apply(kubectl, side, by="second")
    spec = (await kubectl.object("deploy", "web"))["spec"]
    assert [one["name"] for one in spec["template"]["spec"]["containers"]] == ["main"]
    assert spec["minReadySeconds"] == 1


async def test_what_was_applied_on_the_client_can_be_applied_on_the_server(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    assert (await _apply(kubectl, deployment(image="web:2"))).lines == ["deployment.apps/web serverside-applied"]
    moved = await _managed(kubectl, "deploy", "web")
    assert _owners(moved) == {("kubectl", "Apply"), ("kubectl-last-applied", "Apply")}
    slim = deployment(image="web:2")
    del slim["spec"]["replicas"]
    await _apply(kubectl, slim)
    assert (await kubectl.object("deploy", "web"))["spec"]["replicas"] == 1


async def test_another_manager_conflicts_with_what_was_applied_on_the_client(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    said = await kubectl.refused(
        "apply", "--server-side", "--field-manager=other", "-f", "-", given=deployment(replicas=9)
    )
    assert said.startswith(
        'error: Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas\n'
    )


async def test_a_list_of_a_custom_resource_is_owned_as_a_whole(kubectl: Kubectl) -> None:
    await _apply(kubectl, ROLLOUT, by="first")
    other = json.loads(json.dumps(ROLLOUT))
    other["spec"] = {"strategy": {"canary": {"steps": [{"setWeight": 90}]}}}
    said = await kubectl.refused("apply", "--server-side", "--field-manager=second", "-f", "-", given=other)
    assert said.startswith('error: Apply failed with 1 conflict: conflict with "first": .spec.strategy.canary.steps\n')
    await _apply(kubectl, other, "--force-conflicts", by="second")
    spec = (await kubectl.object("ro", "api"))["spec"]
    assert spec["strategy"]["canary"]["steps"] == [{"setWeight": 90}]
    assert spec["replicas"] == 2


async def test_a_dry_run_says_what_would_be(kubectl: Kubectl) -> None:
    await _apply(kubectl, deployment())
    would = await _apply(kubectl, deployment(replicas=9), "--dry-run=server", "-o", "jsonpath={.spec.replicas}")
    assert would.out == "9"
    assert (await kubectl.object("deploy", "web"))["spec"]["replicas"] == 2


async def test_unknown_fields_are_refused(kubectl: Kubectl) -> None:
    bad = deployment()
    bad["spec"]["replicaz"] = 3
    assert "replicaz" in await kubectl.refused("apply", "--server-side", "-f", "-", given=bad)
