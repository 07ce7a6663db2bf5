"""The real kubectl on a sandbox in which pods live: waiting, rollouts, descriptions, events and cascades."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox.kubectl import Kubectl, deployment, needs_kubectl, session

pytestmark = needs_kubectl


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with session(tmp_path, workloads=True) as kubectl:
        yield kubectl


async def test_a_deployment_rolls_out_and_back(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    done = await kubectl("rollout", "status", "deploy/web", "--timeout=20s")
    assert done.lines[-1] == 'deployment "web" successfully rolled out'
    await kubectl("set", "image", "deploy/web", "main=web:2")
    await kubectl("rollout", "status", "deploy/web", "--timeout=20s")
    assert (await kubectl("rollout", "history", "deploy/web")).table[2:4] == [["1", "<none>"], ["2", "<none>"]]
    await kubectl("rollout", "undo", "deploy/web")
    await kubectl("rollout", "status", "deploy/web", "--timeout=20s")
    rows = (await kubectl("get", "deploy", "web", "-o", "wide", "--no-headers")).table
    assert (rows[0][:4], rows[0][6]) == (["web", "2/2", "2", "2"], "web:1")


async def test_pods_are_waited_for_shown_and_described(kubectl: Kubectl) -> None:
    await kubectl("run", "one", "--image=x:1", "--labels=app=one")
    await kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=one", "--timeout=20s")
    heading, row = (await kubectl("get", "pods", "-o", "wide")).table
    assert heading[:6] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP"]
    assert row[:4] == ["one", "1/1", "Running", "0"]
    said = (await kubectl("describe", "pod", "one")).out
    assert "Image:          x:1" in said
    assert "Ready             True" in said.replace("\t", " ")
    assert (await kubectl("delete", "pod", "one", "--timeout=20s")).lines == ['pod "one" deleted']
    await kubectl("wait", "--for=delete", "pod/one", "--timeout=20s")


async def test_a_job_completes(kubectl: Kubectl) -> None:
    await kubectl("create", "job", "once", "--image=x")
    await kubectl("wait", "--for=condition=complete", "job/once", "--timeout=20s")
    assert (await kubectl("get", "jobs", "--no-headers")).table[0][:3] == ["once", "Complete", "1/1"]


async def test_a_service_finds_the_pods_of_its_selector(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    await kubectl("expose", "deploy", "web", "--port=80")
    await kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=20s")
    await kubectl("wait", "--for=jsonpath={.subsets[0].addresses[1].ip}", "endpoints/web", "--timeout=20s")
    row = (await kubectl("get", "svc", "web", "--no-headers")).table[0]
    assert (row[0], row[1], row[3], row[4]) == ("web", "ClusterIP", "<none>", "80/TCP")
    assert (await kubectl("get", "ep", "web", "--no-headers")).table[0][1].count(":80") == 2


async def test_everything_of_a_category_is_listed(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment())
    await kubectl("rollout", "status", "deploy/web", "--timeout=20s")
    kinds = [row[0].split("/")[0] for row in (await kubectl("get", "all", "--no-headers")).table if row]
    assert kinds == ["pod", "pod", "deployment.apps", "replicaset.apps"]


async def test_a_deletion_takes_what_is_owned_along_or_leaves_it(kubectl: Kubectl) -> None:
    await kubectl.apply(deployment("kept"), deployment("gone"))
    for name in ("kept", "gone"):
        await kubectl("rollout", "status", f"deploy/{name}", "--timeout=20s")
    await kubectl("delete", "deploy", "kept", "--cascade=orphan")
    await kubectl("delete", "deploy", "gone", "--cascade=foreground", "--timeout=20s")
    left = (await kubectl("get", "rs,pods", "-o", "custom-columns=L:.metadata.labels.app", "--no-headers")).lines
    assert left == ["kept"] * 3


async def test_a_namespace_goes_with_what_is_in_it(kubectl: Kubectl) -> None:
    await kubectl("create", "ns", "team")
    await kubectl("create", "deployment", "web", "--image=x", "-n", "team")
    await kubectl("rollout", "status", "deploy/web", "-n", "team", "--timeout=20s")
    await kubectl("delete", "ns", "team", "--timeout=20s")
    assert (await kubectl("get", "pods,rs,deploy", "-A", "--no-headers")).lines == []


async def test_events_are_listed_and_described_with_their_object(kubectl: Kubectl) -> None:
    await kubectl("run", "one", "--image=x")
    uid = (await kubectl.object("pod", "one"))["metadata"]["uid"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "one."},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "one", "uid": uid, "apiVersion": "v1"},
        "reason": "Tested",
        "message": "seen by a test",
        "type": "Normal",
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 3,
        "source": {"component": "tests"},
    }
    await kubectl("create", "-f", "-", given=event)
    heading, *rows = (await kubectl("get", "events")).lines
    assert heading.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert any(row.split()[1:] == ["Normal", "Tested", "pod/one", "seen", "by", "a", "test"] for row in rows)
    assert "Tested" in (await kubectl("events", "--for=pod/one")).out
    assert "seen by a test" in (await kubectl("describe", "pod", "one")).out
