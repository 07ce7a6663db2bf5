"""What the controller does not do is refused by name."""

from typing import Any

import pytest

from rollouts.api.rollout import Rollout
from rollouts.api.support import NOT_SUPPORTED_YET, unsupported

REFUSAL = "Forbidden: not supported yet by this controller"

EXAMPLES: dict[str, Any] = {
    "spec.restartAt": "2024-05-01T12:00:00Z",
    "spec.rollbackWindow": {"revisions": 0},
    "spec.progressDeadlineAbort": True,
    "spec.strategy.canary.dynamicStableScale": True,
    "spec.strategy.canary.minPodsPerReplicaSet": 0,
    "spec.strategy.canary.scaleDownDelayRevisionLimit": 0,
    "spec.strategy.canary.steps[].experiment": {"templates": []},
    "spec.strategy.canary.steps[].plugin": {"name": "a/b"},
    "spec.strategy.canary.steps[].setMirrorRoute": {"name": "m"},
    "spec.strategy.canary.trafficRouting.istio.destinationRule": {"name": "d"},
    "spec.strategy.canary.trafficRouting.istio.virtualService.tcpRoutes": [{}],
    "spec.strategy.canary.trafficRouting.istio.virtualService.tlsRoutes": [{}],
    "spec.strategy.canary.trafficRouting.istio.virtualServices[].tcpRoutes": [{}],
    "spec.strategy.canary.trafficRouting.istio.virtualServices[].tlsRoutes": [{}],
}
NAMED: dict[str, Any] = {
    "virtualService": {"name": "v"},
    "virtualServices[]": {"name": "v"},
    "steps[]": {"pause": {}},
}


def rollout_with(path: str, value: Any) -> Rollout:
    """A Rollout that holds the value at the path; in a list it stands behind one item that does not."""
    for part in reversed(path.split(".")):
        name = part.removesuffix("[]")
        inner = {**NAMED.get(part, {}), **value} if part in NAMED else value
        value = {name: [NAMED[part], inner] if part.endswith("[]") else inner}
    return Rollout.model_validate(value)


@pytest.mark.parametrize("path", NOT_SUPPORTED_YET)
def test_a_field_that_the_controller_does_not_act_on_is_refused(path: str) -> None:
    rollout = rollout_with(path, EXAMPLES.get(path, {}))
    assert unsupported(rollout) == f"{path.replace('[]', '[1]')}: {REFUSAL}"


def test_zeros_ask_for_nothing() -> None:
    routing = {"istio": {"virtualService": {"name": "v", "tlsRoutes": []}}, "plugins": {}}
    canary: dict[str, Any] = {
        "dynamicStableScale": False,
        "minPodsPerReplicaSet": None,
        "steps": [],
        "trafficRouting": routing,
    }
    spec = {"progressDeadlineAbort": False, "workloadRef": None, "strategy": {"canary": canary}}
    assert unsupported(Rollout.model_validate({"spec": spec})) is None


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"colour": "red"}, "spec.colour"),
        ({"strategy": {"rainbow": {}}}, "spec.strategy.rainbow"),
        ({"strategy": {"canary": {"maxSurg": 1}}}, "spec.strategy.canary.maxSurg"),
        ({"strategy": {"canary": {"steps": [{"setWait": 1}]}}}, "spec.strategy.canary.steps[0].setWait"),
        ({"strategy": {"canary": {"steps": [{"pause": {"until": 1}}]}}}, "spec.strategy.canary.steps[0].pause.until"),
    ],
)
def test_a_field_that_nobody_knows_is_refused(spec: dict[str, Any], path: str) -> None:
    rollout = Rollout.model_validate({"spec": spec})
    assert unsupported(rollout) == f"{path}: Forbidden: unknown field; check its spelling and place, or remove it"


def test_a_router_that_would_be_a_program_of_its_own_is_refused_by_name() -> None:
    routing = {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "h"}, "acme/mesh": {}}}
    told = unsupported(Rollout.model_validate({"spec": {"strategy": {"canary": {"trafficRouting": routing}}}}))
    assert told == (
        "spec.strategy.canary.trafficRouting.plugins[acme/mesh]: Forbidden: "
        "the only router of this kind that this controller has is argoproj-labs/gatewayAPI"
    )
    del routing["plugins"]["acme/mesh"]
    assert unsupported(Rollout.model_validate({"spec": {"strategy": {"canary": {"trafficRouting": routing}}}})) is None
