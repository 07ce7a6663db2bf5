"""Our definitions and other people's manifests in front of a real API server, which validates strictly."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.api.crds import DEFINITIONS, crd
from tests.api.shared import needs_shared, of_kind
from tests.cluster.conftest import ROOT
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="session")
def kubectl(bare: Any, folder: Path) -> Kubectl:
    """On an API server that knows nothing but our definitions, applied as a person would."""
    made = Kubectl(bare.kubeconfig, folder)
    made("apply", "-f", str(ROOT / "crds"))
    made("wait", "--for=condition=Established", "--timeout=100s", "crd", "--all")
    return made


def test_the_definitions_are_established_and_hold_no_unknown_field(kubectl: Kubectl) -> None:
    printed = kubectl("apply", "-f", str(ROOT / "crds"), "--server-side", "--force-conflicts", "--validate=strict")
    assert len(printed.splitlines()) == len(DEFINITIONS)
    for definition in DEFINITIONS:
        name = crd(definition)["metadata"]["name"]
        found = yaml.safe_load(kubectl("get", "crd", name, "-o", "yaml"))
        conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
        assert conditions.get("NonStructuralSchema", "False") == "False"
        assert (conditions["NamesAccepted"], conditions["Established"]) == ("True", "True")


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("rollout.spec.strategy.canary", "maxSurge"),
        ("rollout.spec.strategy.blueGreen", "activeService"),
        ("analysistemplate.spec.metrics.provider.prometheus", "query"),
        ("analysisrun.status", "phase"),
        ("experiment.spec.templates", "replicas"),
        ("clusteranalysistemplate.spec", "metrics"),
    ],
)
def test_kubectl_explains_fields(kubectl: Kubectl, field: str, told: str) -> None:
    assert told in kubectl("explain", field)


def test_the_short_names_and_the_scale_are_known(kubectl: Kubectl) -> None:
    resources = kubectl("api-resources", "--api-group=argoproj.io", "--no-headers")
    assert ["rollouts", "ro"] in [line.split()[:2] for line in resources.splitlines()]
    served = json.loads(kubectl("get", "--raw", "/apis/argoproj.io/v1alpha1"))
    assert {"rollouts", "rollouts/scale", "rollouts/status"} <= {each["name"] for each in served["resources"]}


@needs_shared
@pytest.mark.parametrize("document", of_kind())
def test_a_manifest_is_accepted_with_every_field_known(kubectl: Kubectl, document: dict[str, Any]) -> None:
    metadata = {key: value for key, value in document["metadata"].items() if key != "namespace"}
    given = yaml.safe_dump({**document, "metadata": metadata})
    answer = kubectl.run("create", "--dry-run=server", "--validate=strict", "-f", "-", given=given)
    assert (answer.returncode, answer.stderr) == (0, "")
