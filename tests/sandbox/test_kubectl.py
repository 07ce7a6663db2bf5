"""The real kubectl on the sandbox: reading, writing, patching, deleting, and what it says when it is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox.kubectl import CONFIG, ROLLOUT, Kubectl, deployment, needs_kubectl, session

pytestmark = needs_kubectl


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with session(tmp_path, workloads=False) as kubectl:
        yield kubectl


async def test_it_knows_the_server_and_what_it_has(kubectl: Kubectl) -> None:
    assert "Server Version: v1.32.0+sandbox" in (await kubectl("version")).out
    rows = (await kubectl("api-resources", "--no-headers")).table
    assert ["rollouts", "ro", "argoproj.io/v1alpha1", "true", "Rollout"] in rows
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in rows
    versions = (await kubectl("api-versions")).lines
    assert {"v1", "apps/v1", "argoproj.io/v1alpha1"} <= {*versions}


async def test_objects_are_listed_in_tables_by_label_field_and_namespace(kubectl: Kubectl) -> None:
    await kubectl.apply(CONFIG, deployment(), deployment("other"))
    rows = (await kubectl("get", "deploy", "-o", "wide", "-l", "app=web")).table
    assert rows[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert [rows[1][0], *rows[1][5:]] == ["web", "main", "web:1", "app=web"]
    assert len(rows) == 2
    assert (await kubectl("get", "deploy", "--field-selector", "metadata.name=other", "-o", "name")).lines == [
        "deployment.apps/other"
    ]
    everywhere = (await kubectl("get", "cm,deploy", "-A", "--no-headers", "--show-labels")).table
    assert ["configmap/conf", "1"] in [row[1:3] for row in everywhere]
    assert (
        await kubectl("get", "cm", "-n", "kube-node-lease")
    ).err.strip() == "No resources found in kube-node-lease namespace."


async def test_an_object_is_shown_as_yaml_and_by_jsonpath_and_columns(kubectl: Kubectl) -> None:
    await kubectl.apply(CONFIG)
    text = (await kubectl("get", "cm", "conf", "-o", "yaml")).out
    assert "kind: ConfigMap" in text
    assert "\n  k: v\n" in text
    assert "managedFields" not in text
    assert (
        "manager: kubectl-client-side-apply"
        in (await kubectl("get", "cm", "conf", "-o", "yaml", "--show-managed-fields")).out
    )
    assert (await kubectl("get", "cm", "conf", "-o", "jsonpath={.data.k}")).out == "v"
    assert (await kubectl("get", "cm", "-o", "custom-columns=N:.metadata.name", "--no-headers")).lines == ["conf"]


async def test_a_custom_resource_shows_the_columns_of_its_definition(kubectl: Kubectl) -> None:
    await kubectl.apply(ROLLOUT)
    heading, row = (await kubectl("get", "ro")).table
    assert heading[:2] == ["NAME", "DESIRED"]
    assert row[:2] == ["api", "2"]


async def test_watching_prints_a_row_for_each_change(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    watching = await kubectl.start("get", "deploy", "-w", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas")
    assert watching.stdout is not None
    await _line_with(watching.stdout, "web 2")
    await kubectl("scale", "deploy/web", "--replicas=5")
    await _line_with(watching.stdout, "web 5")
    await kubectl.apply(deployment("later", replicas=1))
    await _line_with(watching.stdout, "later 1")
    watching.terminate()
    await watching.communicate()


async def test_watching_a_table_has_one_heading_and_a_row_for_each_change(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    watching = await kubectl.start("get", "deploy", "-w")
    assert watching.stdout is not None
    await _line_with(watching.stdout, "web 0/2 0 0")
    await kubectl("scale", "deploy/web", "--replicas=5")
    await _line_with(watching.stdout, "web 0/5 0 0")
    watching.terminate()
    rest, _ = await watching.communicate()
    assert b"NAME" not in rest


async def _line_with(stream: asyncio.StreamReader, text: str) -> None:
    async with asyncio.timeout(10):
        while line := await stream.readline():
            if " ".join(line.decode().split()).startswith(text):
                return
    pytest.fail(f"the stream ended before it said {text!r}")


async def test_applying_creates_configures_and_leaves_unchanged(kubectl: Kubectl) -> None:
    assert (await kubectl.apply(deployment())).lines == ["deployment.apps/web created"]
    assert (await kubectl.apply(deployment())).lines == ["deployment.apps/web unchanged"]
    assert (await kubectl.apply(deployment(image="web:2"))).lines == ["deployment.apps/web configured"]
    container = (await kubectl.object("deploy", "web"))["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["ports"]) == ("web:2", [{"containerPort": 80, "protocol": "TCP"}])


async def test_what_is_no_longer_applied_goes(kubectl: Kubectl) -> None:
    await kubectl.apply(CONFIG | {"data": {"a": "1", "b": "2"}})
    await kubectl("patch", "cm", "conf", "-p", '{"data":{"by":"somebody else"}}')
    await kubectl.apply(CONFIG | {"data": {"a": "1"}})
    assert (await kubectl.object("cm", "conf"))["data"] == {"a": "1", "by": "somebody else"}


async def test_a_custom_resource_is_applied_by_merge_patch(kubectl: Kubectl) -> None:
    await kubectl.apply(ROLLOUT)
    changed = json.loads(json.dumps(ROLLOUT))
    changed["spec"]["strategy"]["canary"]["steps"] = [{"setWeight": 50}]
    assert (await kubectl.apply(changed)).lines == ["rollout.argoproj.io/api configured"]
    assert (await kubectl.object("ro", "api"))["spec"]["strategy"]["canary"]["steps"] == [{"setWeight": 50}]


async def test_a_difference_is_shown_and_nothing_written(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    shown = await kubectl.run("diff", "-f", "-", given=deployment(image="web:2"))
    assert shown.code == 1
    assert "-      - image: web:1" in shown.lines
    assert "+      - image: web:2" in shown.lines
    assert (await kubectl.run("diff", "-f", "-", given=deployment())).code == 0


async def test_a_dry_run_on_the_server_writes_nothing(kubectl: Kubectl) -> None:
    said = await kubectl("apply", "--dry-run=server", "-f", "-", given=CONFIG)
    assert said.lines == ["configmap/conf created (server dry run)"]
    assert 'configmaps "conf" not found' in await kubectl.refused("get", "cm", "conf")


async def test_the_commands_that_make_objects_by_flags_work(kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "made", "--image=x:1", "--replicas=0", "--port=80")
    made = await kubectl.object("deploy", "made")
    assert made["spec"]["replicas"] == 0
    assert made["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    await kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert (await kubectl.object("secret", "s"))["data"] == {"a": "Yg=="}
    await kubectl("create", "configmap", "c", "--from-literal=a=b")
    await kubectl("create", "service", "clusterip", "svc", "--tcp=80:8080")
    port = (await kubectl.object("svc", "svc"))["spec"]["ports"][0]
    assert (port["port"], port["targetPort"]) == (80, 8080)
    await kubectl("create", "job", "j", "--image=x")
    await kubectl("create", "role", "r", "--verb=get", "--resource=pods")
    await kubectl("run", "one", "--image=x")
    assert (await kubectl.object("pod", "one"))["spec"]["containers"][0]["image"] == "x"


async def test_all_patches_are_understood(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}}
    await kubectl("patch", "deploy", "web", "-p", json.dumps(strategic))
    spec = (await kubectl.object("deploy", "web"))["spec"]
    assert {one["name"] for one in spec["template"]["spec"]["containers"]} == {"main", "side"}
    await kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec":{"replicas":6}}')
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 6},
        {"op": "replace", "path": "/spec/replicas", "value": 8},
        {"op": "remove", "path": "/spec/template/spec/containers/0"},
    ]
    await kubectl("patch", "deploy", "web", "--type=json", "-p", json.dumps(operations))
    spec = (await kubectl.object("deploy", "web"))["spec"]
    assert (spec["replicas"], len(spec["template"]["spec"]["containers"])) == (8, 1)
    await kubectl.apply(ROLLOUT)
    said = await kubectl.refused("patch", "ro", "api", "-p", "{}", "--type=strategic")
    assert "the body of the request was in an unknown format - accepted media types include:" in said


async def test_the_status_is_written_through_its_subresource(kubectl: Kubectl) -> None:
    await kubectl.apply(ROLLOUT)
    await kubectl("patch", "ro", "api", "--type=merge", "-p", '{"status":{"phase":"Paused"}}')
    assert "status" not in await kubectl.object("ro", "api")
    await kubectl("patch", "ro", "api", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Paused"}}')
    assert (await kubectl.object("ro", "api"))["status"] == {"phase": "Paused"}


async def test_an_object_is_edited(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment(), ROLLOUT)
    said = await kubectl("edit", "deploy", "web", KUBE_EDITOR="sed -i s/web:1/web:2/")
    assert said.lines == ["deployment.apps/web edited"]
    unchanged = await kubectl("edit", "ro", "api", KUBE_EDITOR="sed -i s/nothing/like-this/")
    assert unchanged.err == "Edit cancelled, no changes made.\n"
    await kubectl("edit", "ro", "api", KUBE_EDITOR="sed -i s/web:1/web:3/")
    edited = (await kubectl.object("ro", "api"))["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in edited] == ["web:3"]


async def test_labels_annotations_and_images_are_set(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    await kubectl("label", "deploy", "web", "tier=front")
    await kubectl("annotate", "deploy", "web", "note=here")
    await kubectl("set", "image", "deploy/web", "main=web:9")
    found = await kubectl.object("deploy", "-l", "tier=front")
    assert found["items"][0]["metadata"]["annotations"]["note"] == "here"
    assert found["items"][0]["spec"]["template"]["spec"]["containers"][0]["image"] == "web:9"
    await kubectl("label", "deploy", "web", "tier-")
    assert (await kubectl.object("deploy", "-l", "tier=front"))["items"] == []


async def test_scaling_goes_through_the_scale_of_builtin_and_custom_resources(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment(), ROLLOUT)
    for resource, name in (("deploy", "web"), ("ro", "api")):
        await kubectl("scale", resource, name, "--replicas=7", "--current-replicas=2")
        assert (await kubectl.object(resource, name))["spec"]["replicas"] == 7
    assert "Expected replicas to be 2, was 7" in await kubectl.refused(
        "scale", "deploy", "web", "--replicas=1", "--current-replicas=2"
    )


async def test_a_write_from_an_old_version_is_a_conflict(kubectl: Kubectl) -> None:
    await kubectl.apply(CONFIG)
    old = await kubectl.object("cm", "conf")
    await kubectl("annotate", "cm", "conf", "changed=since")
    said = await kubectl.refused("replace", "-f", "-", given=json.dumps(old))
    assert said.endswith(
        'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on configmaps '
        '"conf": the object has been modified; please apply your changes to the latest version and try again'
    )
    old["metadata"].pop("resourceVersion")
    assert (await kubectl("replace", "-f", "-", given=json.dumps(old))).lines == ["configmap/conf replaced"]


async def test_refusals_read_as_those_of_a_real_server(kubectl: Kubectl) -> None:
    await kubectl.apply(CONFIG)
    assert await kubectl.refused("get", "pod", "none") == 'Error from server (NotFound): pods "none" not found'
    assert await kubectl.refused("get", "ro", "none") == (
        'Error from server (NotFound): rollouts.argoproj.io "none" not found'
    )
    assert 'the server doesn\'t have a resource type "widgets"' in await kubectl.refused("get", "widgets")
    assert await kubectl.refused("create", "-f", "-", given=CONFIG) == (
        'Error from server (AlreadyExists): error when creating "STDIN": configmaps "conf" already exists'
    )
    assert 'namespaces "none" not found' in await kubectl.refused("create", "cm", "c", "-n", "none")


async def test_a_kind_that_is_not_served_is_named(kubectl: Kubectl) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    said = await kubectl.refused("apply", "-f", "-", given=widget)
    assert 'no matches for kind "Widget" in version "example.com/v1"' in said
    assert "ensure CRDs are installed first" in said


async def test_unknown_fields_are_refused_or_warned_of(kubectl: Kubectl) -> None:
    bad = deployment()
    bad["spec"]["replicaz"] = 3
    assert await kubectl.refused("apply", "-f", "-", given=bad) == (
        'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as '
        'a Deployment: strict decoding error: unknown field "spec.replicaz"'
    )
    warned = await kubectl("create", "--validate=warn", "-f", "-", given=bad)
    assert warned.err.strip() == 'Warning: unknown field "spec.replicaz"'
    rollout = json.loads(json.dumps(ROLLOUT))
    rollout["spec"]["strategy"]["canary"]["stepz"] = []
    assert 'unknown field "spec.strategy.canary.stepz"' in await kubectl.refused("create", "-f", "-", given=rollout)


async def test_values_that_break_the_schema_are_refused_by_path(kubectl: Kubectl) -> None:
    bad = json.loads(json.dumps(ROLLOUT))
    bad["spec"]["replicas"] = "many"
    assert "spec.replicas" in await kubectl.refused("create", "-f", "-", given=bad)


async def test_explaining_walks_into_builtin_and_custom_types(kubectl: Kubectl) -> None:
    said = (await kubectl("explain", "pod.spec.containers.ports")).out
    assert "containerPort\t<integer> -required-" in said
    assert "FIELD: ports <[]ContainerPort>" in said
    assert "steps\t<[]Object>" in (await kubectl("explain", "rollout.spec.strategy.canary")).out
    assert "maxSurge\t<IntOrString>" in (await kubectl("explain", "deployment.spec.strategy.rollingUpdate")).out
    assert "nodeName\t<string>" in (await kubectl("explain", "deployment", "--recursive")).out
    assert 'field "spek" does not exist' in await kubectl.refused("explain", "pod.spek")


async def test_the_administrator_may_do_everything_and_others_what_rbac_allows(kubectl: Kubectl) -> None:
    assert (await kubectl("auth", "can-i", "delete", "rollouts")).out == "yes\n"
    assert "sandbox-admin" in (await kubectl("auth", "whoami")).out
    assert ["*.*", "[]", "[]", "[*]"] in (await kubectl("auth", "can-i", "--list")).table
    robot = "--as=system:serviceaccount:default:robot"
    assert (await kubectl.run("auth", "can-i", "get", "pods", robot)).out == "no\n"
    assert await kubectl.refused("get", "pods", robot) == (
        'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:default:robot" cannot list '
        'resource "pods" in API group "" in the namespace "default"'
    )
    await kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    await kubectl("create", "rolebinding", "robots", "--role=reader", "--serviceaccount=default:robot")
    assert (await kubectl("auth", "can-i", "get", "pods", robot)).out == "yes\n"
    assert (await kubectl("get", "pods", robot)).err.strip() == "No resources found in default namespace."
    assert (await kubectl.run("auth", "can-i", "get", "pods", robot, "-n", "kube-system")).out == "no\n"


async def test_deleting_waits_for_finalizers(kubectl: Kubectl) -> None:
    kept = CONFIG | {"metadata": {"name": "kept", "finalizers": ["example.com/hold"]}}
    await kubectl.apply(kept)
    said = await kubectl.refused("delete", "cm", "kept", "--timeout=200ms")
    assert "timed out waiting for the condition" in said
    assert (await kubectl.object("cm", "kept"))["metadata"]["deletionTimestamp"]
    waiting = await kubectl.start("delete", "cm", "kept")
    assert waiting.stdout is not None
    await _line_with(waiting.stdout, 'configmap "kept" deleted')
    await kubectl("patch", "cm", "kept", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    async with asyncio.timeout(10):
        assert await waiting.wait() == 0
    assert 'configmaps "kept" not found' in await kubectl.refused("get", "cm", "kept")


async def test_deleting_by_label_and_all(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment("a"), deployment("b"), deployment("c"))
    assert (await kubectl("delete", "deploy", "-l", "app=a")).lines == ['deployment.apps "a" deleted']
    await kubectl("delete", "deploy", "--all")
    assert (await kubectl.object("deploy"))["items"] == []


async def test_a_pod_has_no_logs_and_cannot_be_entered(kubectl: Kubectl) -> None:
    await kubectl("run", "one", "--image=x")
    assert await kubectl.refused("logs", "one") == (
        "Error from server (NotImplemented): the pods of the sandbox are no containers, so there is no log of pod one"
    )
    assert "there is no exec of pod one" in await kubectl.refused("exec", "one", "--", "true")
