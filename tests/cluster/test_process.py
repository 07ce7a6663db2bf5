"""The controller as people run it: a process of its own, under the rights of `deploy/`, and kubectl beside it."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from rollouts.kube.refs import Obj
from rollouts.sandbox.controlplane.plane import ControlPlane
from rollouts.sandbox.controlplane.processes import Program, answers, free_ports
from rollouts.sandbox.kubelet.__main__ import READY
from tests import make
from tests.cluster.kubectl import Kubectl
from tests.cluster.stage import Doors
from tests.stories.objects import analysis, istio, rollout, service, template

pytestmark = pytest.mark.cluster
_LONGEST = 60.0


@pytest.fixture(scope="module")
def controller(plane: ControlPlane, doors: Doors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The controller, ready and leading, and a kubelet."""
    folder = tmp_path_factory.mktemp("controller")
    metrics, health = free_ports(2)
    kubelet: list[str | Path] = [sys.executable, "-m", "rollouts.sandbox.kubelet", "--kubeconfig", doors.admin]
    flags = [f"--kubeconfig={doors.controller}", f"--metricsPort={metrics}", f"--healthzPort={health}"]
    node = Program("kubelet", kubelet, folder / "kubelet.log")
    program = Program("rollouts", [sys.executable, "-m", "rollouts", "controller", *flags], folder / "controller.log")
    try:
        node.wait(lambda: READY in node.said.read_text(), _LONGEST)
        program.wait(lambda: answers(f"http://127.0.0.1:{health}/readyz"), _LONGEST)
        yield program
    finally:
        program.stop()
        node.stop()


@pytest.fixture
def kubectl(
    plane: ControlPlane, controller: Program, folder: Path, request: pytest.FixtureRequest
) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own; whatever the controller may not do is told by its log."""
    name = f"p{abs(hash(request.node.name)) % 10**8}"
    before = len(controller.said.read_text())
    Kubectl(plane.kubeconfig, folder)("create", "namespace", name)
    made = Kubectl(plane.kubeconfig, folder, name)
    yield made
    made("delete", "rollouts", "--all", "--wait=false")
    assert controller.process.poll() is None
    assert [line for line in controller.said.read_text()[before:].splitlines() if "forbidden" in line.lower()] == []


def apply(kubectl: Kubectl, *objects: Obj) -> None:
    """`kubectl apply` of objects that say no namespace."""
    plain = [{**each, "metadata": {**each["metadata"], "namespace": kubectl.namespace}} for each in objects]
    kubectl("apply", "-f", "-", given=yaml.safe_dump_all(plain))


def argo(kubectl: Kubectl, *words: str) -> str:
    return kubectl("argo", "rollouts", *words, "-n", kubectl.namespace)


def get(kubectl: Kubectl, *words: str) -> Any:
    return json.loads(kubectl("get", *words, *([] if "--raw" in words else ["-o", "json"])))


def until(kubectl: Kubectl, holds: Callable[[Obj], bool], what: str = "rollout/r") -> Obj:
    """The object once something holds of it."""
    deadline = time.monotonic() + _LONGEST
    while not holds(found := get(kubectl, what)):
        assert time.monotonic() < deadline, yaml.safe_dump(found.get("status"))
        time.sleep(0.2)
    return dict(found)


def is_phase(phase: str, **status: Any) -> Callable[[Obj], bool]:
    """Whether a Rollout has a phase that is up to date, and these values in its status."""

    def holds(obj: Obj) -> bool:
        now = obj.get("status") or {}
        seen = now.get("observedGeneration") == str(obj["metadata"]["generation"])
        return bool(seen and now.get("phase") == phase and status.items() <= now.items())

    return holds


def sizes(kubectl: Kubectl) -> dict[str, int]:
    found = get(kubectl, "replicasets")["items"]
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"]: each["spec"]["replicas"] for each in found}
    return {image: size for image, size in images.items() if size}


def test_a_canary_is_paused_promoted_aborted_retried_and_taken_back(kubectl: Kubectl) -> None:
    steps = (make.weight(25), make.pause(), make.weight(75), make.pause(1))
    apply(kubectl, rollout(*steps, replicas=4, canary={"maxSurge": 1, "maxUnavailable": 0}))
    until(kubectl, is_phase("Healthy"))
    assert sizes(kubectl) == {"img:1": 4}

    argo(kubectl, "set", "image", "r", "*=img:2")
    until(kubectl, is_phase("Paused", currentStepIndex=1))
    assert sizes(kubectl) == {"img:1": 3, "img:2": 1}
    argo(kubectl, "abort", "r")
    until(kubectl, is_phase("Degraded", abort=True))
    until(kubectl, lambda found: found["status"]["readyReplicas"] == 4 and "updatedReplicas" not in found["status"])
    assert sizes(kubectl) == {"img:1": 4}
    argo(kubectl, "retry", "rollout", "r")
    until(kubectl, is_phase("Paused", currentStepIndex=1))
    argo(kubectl, "promote", "r")
    assert "Healthy" in argo(kubectl, "status", "r", "--timeout", "110s")
    until(kubectl, is_phase("Healthy", readyReplicas=4))
    assert sizes(kubectl) == {"img:2": 4}

    argo(kubectl, "undo", "r")
    until(kubectl, is_phase("Paused", currentStepIndex=1))
    argo(kubectl, "promote", "r", "--full")
    until(kubectl, is_phase("Healthy", readyReplicas=4))
    assert sizes(kubectl) == {"img:1": 4}
    assert "img:1 (stable)" in argo(kubectl, "get", "rollout", "r", "--no-color")
    reasons = {event["reason"] for event in get(kubectl, "events")["items"]}
    assert {"RolloutUpdated", "RolloutAborted", "RolloutCompleted"} <= reasons


def test_traffic_services_and_pods_metadata_follow_a_canary(kubectl: Kubectl) -> None:
    metadata = {"canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "stable"}}}
    apply(kubectl, *istio(make.weight(30), make.pause(), canary=metadata, replicas=2))
    until(kubectl, is_phase("Healthy"))
    stable = get(kubectl, "rollout/r")["status"]["stableRS"]
    argo(kubectl, "set", "image", "r", "*=img:2")
    found = until(kubectl, is_phase("Paused", currentStepIndex=1))
    canary = found["status"]["currentPodHash"]

    weights = [
        each["weight"] for each in get(kubectl, "virtualservices.networking.istio.io/vs")["spec"]["http"][0]["route"]
    ]
    assert weights == [70, 30]
    key = "rollouts-pod-template-hash"
    assert get(kubectl, "service/stable")["spec"]["selector"][key] == stable
    assert get(kubectl, "service/canary")["spec"]["selector"][key] == canary
    labels = [pod["metadata"]["labels"] for pod in get(kubectl, "pods")["items"]]
    assert {each[key]: each["role"] for each in labels} == {stable: "stable", canary: "canary"}

    argo(kubectl, "promote", "r")
    until(kubectl, is_phase("Healthy", stableRS=canary))
    assert get(kubectl, "service/stable")["spec"]["selector"][key] == canary
    until(
        kubectl, lambda vs: vs["spec"]["http"][0]["route"][0]["weight"] == 100, "virtualservices.networking.istio.io/vs"
    )


class _Judge(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"ok": false}' if self.path == "/bad" else b'{"ok": true}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def judge() -> Iterator[str]:
    """The URL of a service that finds /good good and /bad bad."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Judge)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_analysis_lets_the_good_pass_and_takes_the_bad_back(kubectl: Kubectl, judge: str) -> None:
    web = {"web": {"url": judge + "/{{args.path}}", "jsonPath": "{$.ok}"}}
    metric = {"name": "ok", "successCondition": "result", "provider": web}
    path = {"name": "path", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['path']"}}}
    step = {"analysis": analysis(args=[path])}
    manifest = rollout(make.weight(50), step, replicas=2)
    manifest["metadata"]["annotations"] = {"path": "good"}
    apply(kubectl, template("check", metric, args=({"name": "path"},)), manifest)
    until(kubectl, is_phase("Healthy"))
    argo(kubectl, "set", "image", "r", "*=img:2")
    until(kubectl, is_phase("Healthy", readyReplicas=2))
    assert sizes(kubectl) == {"img:2": 2}
    kubectl("annotate", "--overwrite", "rollout", "r", "path=bad")
    argo(kubectl, "set", "image", "r", "*=img:3")
    until(kubectl, is_phase("Degraded", abort=True))
    assert sorted(run["status"]["phase"] for run in get(kubectl, "analysisruns")["items"]) == ["Failed", "Successful"]


def test_kubectl_scales_a_rollout_and_tells_its_columns(kubectl: Kubectl) -> None:
    apply(kubectl, service("web"), rollout(make.weight(50), make.pause(), replicas=1))
    until(kubectl, is_phase("Healthy"))
    kubectl("scale", "rollout", "r", "--replicas=3")
    until(kubectl, is_phase("Healthy", readyReplicas=3))
    scale = get(kubectl, "--raw", f"/apis/argoproj.io/v1alpha1/namespaces/{kubectl.namespace}/rollouts/r/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 3, "selector": "app=r"})
    header, row = kubectl("get", "ro", "r").splitlines()
    assert header.split() == ["NAME", "DESIRED", "CURRENT", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:5] == ["r", "3", "3", "3", "3"]


def test_what_a_rollout_owns_goes_with_it(kubectl: Kubectl) -> None:
    apply(kubectl, rollout(make.weight(50), make.pause(), replicas=2))
    until(kubectl, is_phase("Healthy"))
    kubectl("delete", "rollout", "r", "--cascade=foreground", "--timeout=110s")
    assert get(kubectl, "replicasets")["items"] == []
    assert get(kubectl, "pods")["items"] == []
