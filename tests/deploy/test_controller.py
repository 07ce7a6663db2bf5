"""The Deployment and the image agree with the program that runs in them."""

import re
import tomllib
from typing import Any

from rollouts.settings import parse
from tests.deploy.rendered import DEPLOY, ROOT, objects

(DEPLOYMENT,) = objects(DEPLOY / "base" / "deployment.yaml")
POD: dict[str, Any] = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_ports_are_those_that_the_controller_opens() -> None:
    settings = parse([], {})
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"metrics": settings.metrics_port, "healthz": settings.healthz_port}
    (service,) = objects(DEPLOY / "base" / "metrics-service.yaml")
    assert service["spec"]["ports"][0]["port"] == settings.metrics_port
    assert service["spec"]["ports"][0]["targetPort"] == "metrics"


def test_probes_ask_the_port_of_health() -> None:
    asked = {name: CONTAINER[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")}
    assert asked == {
        "livenessProbe": {"path": "/healthz", "port": "healthz"},
        "readinessProbe": {"path": "/readyz", "port": "healthz"},
    }


def test_the_service_and_the_deployment_select_the_pods() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    (service,) = objects(DEPLOY / "base" / "metrics-service.yaml")
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()


def test_the_container_has_no_privilege_to_lose() -> None:
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_image_runs_as_the_user_of_the_deployment() -> None:
    user = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    context = POD["securityContext"]
    assert user == [(str(context["runAsUser"]), str(context["runAsGroup"]))]


def test_the_image_starts_an_executable_of_the_project() -> None:
    entry = re.search(r'^ENTRYPOINT \["(\w+)", "controller"\]$', DOCKERFILE, re.MULTILINE)
    assert entry is not None
    assert entry[1] in PROJECT["project"]["scripts"]


def test_the_image_is_tagged_with_the_version_of_the_project() -> None:
    assert CONTAINER["image"] == f"rollouts:{PROJECT['project']['version']}"


def test_the_image_is_built_from_files_that_reach_the_builder() -> None:
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = [word for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]
    assert copied
    assert set(copied) == set(allowed)
    assert [name for name in copied if not (ROOT / name).exists()] == []
