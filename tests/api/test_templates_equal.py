"""Two templates that make the same pods are equal, however they are spelt."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from rollouts.api.pod.defaults import default_pod_template
from rollouts.api.template import templates_equal

WRITTEN: dict[str, Any] = {
    "metadata": {"labels": {"app": "api"}},
    "spec": {
        "serviceAccountName": "api",
        "containers": [
            {
                "name": "api",
                "image": "example.com/api:1",
                "resources": {"limits": {"cpu": "0.5", "memory": "1Gi"}},
                "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}},
            }
        ],
    },
}


def stored(change: Callable[[dict[str, Any]], object] = lambda template: None) -> dict[str, Any]:
    """The template as a ReplicaSet holds it: defaults, hash label, and a change."""
    template = copy.deepcopy(default_pod_template(WRITTEN))
    template["metadata"]["labels"]["rollouts-pod-template-hash"] = "abc"
    change(template)
    return template


def container(template: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = template["spec"]["containers"][0]
    return first


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda template: None, id="defaults and the hash label"),
        pytest.param(lambda template: template["metadata"].update(creationTimestamp=None), id="null"),
        pytest.param(lambda template: template["spec"].update(volumes=[], tolerations=[]), id="empty lists"),
        pytest.param(lambda template: template["spec"].update(serviceAccount="api"), id="deprecated field"),
        pytest.param(lambda t: container(t)["resources"]["limits"].update(cpu="500m"), id="quantity"),
        pytest.param(lambda t: container(t)["resources"]["limits"].update(memory="1073741824"), id="bytes"),
    ],
)
def test_these_do_not_matter(change: Callable[[dict[str, Any]], object]) -> None:
    assert templates_equal(WRITTEN, stored(change))
    assert templates_equal(stored(change), WRITTEN)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: container(t).update(image="example.com/api:2"), id="image"),
        pytest.param(lambda t: container(t)["resources"]["limits"].update(cpu="501m"), id="quantity"),
        pytest.param(lambda t: container(t).update(securityContext={}), id="an empty struct is not an absent one"),
        pytest.param(lambda t: container(t)["ports"][0].update(protocol="UDP"), id="not the default"),
        pytest.param(lambda template: template["metadata"]["labels"].update(tier="x"), id="label"),
        pytest.param(lambda template: template["metadata"].update(annotations={"a": "b"}), id="annotation"),
        pytest.param(lambda template: template["spec"].update(terminationGracePeriodSeconds=0), id="zero"),
        pytest.param(lambda template: template["spec"].update(serviceAccountName="other"), id="service account"),
    ],
)
def test_these_do(change: Callable[[dict[str, Any]], object]) -> None:
    assert not templates_equal(WRITTEN, stored(change))
