"""What the bench on a real API server reads: its audit log, and how the index of the steps moves."""

import json
from pathlib import Path
from typing import Any

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.server import Request
from rollouts.sandbox.bench.audit import AuditLog
from rollouts.sandbox.bench.latency import Latencies, percentile


def line(agent: str, verb: str, resource: str, stage: str = "ResponseComplete", **more: str) -> str:
    about = {"resource": resource, "namespace": "default", **more}
    entry = {"stage": stage, "verb": verb, "userAgent": agent, "objectRef": about}
    return json.dumps(entry, separators=(",", ":")) + "\n"


def test_requests_of_one_client_are_counted_once_while_the_log_grows(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    ours = "controller/1.0"
    path.write_text(
        line(ours, "patch", "rollouts", subresource="status")
        + line(ours, "patch", "rollouts", stage="RequestReceived", subresource="status")
        + line("kubelet/1.0", "patch", "pods", subresource="status")
        + '{"stage":"ResponseComplete","verb":"get","userAgent":"controller/1.0","requestURI":"/version"}\n'
    )
    log = AuditLog(path, "controller")
    assert log.requests() == {Request("controller", "patch", "rollouts", "status"): 1}
    whole = line(ours, "create", "events")
    with path.open("a") as file:
        file.write(whole + whole[:40])
    assert log.requests()[Request("controller", "create", "events", "")] == 1
    with path.open("a") as file:
        file.write(whole[40:])
    assert log.requests()[Request("controller", "create", "events", "")] == 2


def seen(index: int, phase: str = "Progressing", generation: int = 2, observed: str = "2") -> Obj:
    status: dict[str, Any] = {"observedGeneration": observed, "phase": phase, "currentStepIndex": index}
    return {"metadata": {"name": "r", "generation": generation}, "status": status}


def test_a_step_is_late_by_what_it_takes_beyond_its_wait() -> None:
    latencies = Latencies((0.0, 1.0, 0.0, 1.0))
    latencies.see(seen(4, "Healthy"), 9.0)  # not yet updated
    latencies.begin("r", 10.0)
    latencies.see(seen(4, "Healthy", observed="1"), 10.0)  # of the spec before
    latencies.see(seen(1), 10.5)
    latencies.see(seen(1), 11.0)
    latencies.see(seen(3), 12.5)  # a pause of a second and a weight, in one write
    latencies.see(seen(4), 13.25)  # a pause is counted in whole seconds, so that it may seem too short
    latencies.see(seen(4, "Healthy"), 13.5)
    assert latencies.found == [0.5, 1.0, 0.0, 0.25]


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0, 50, 99, 100)] == [1.0, 50.0, 99.0, 100.0]
    assert percentile([], 50) == 0.0
