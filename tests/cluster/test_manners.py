"""The sandbox answers as a real API server does: word by word what one has answered, and still answers, is recorded.

`transcripts` is what a real one says; `differences.yaml` is, field by field, what the sandbox says instead. Any other
difference is a failure, and so is one that is no longer there.

`make test-cluster ARGS="--record -n 0"` writes the transcripts anew, then `make test ARGS="tests/cluster --record"` the
differences.
"""

import secrets
from pathlib import Path
from typing import Any

import pytest

from rollouts.kube.wire import Wire
from tests.cluster.door import Door
from tests.cluster.recorder import Recorder, differences, read, write
from tests.cluster.scenarios import Scenario, scenarios

TRANSCRIPTS = Path(__file__).parent / "transcripts"
DIFFERENCES = Path(__file__).parent / "differences.yaml"


def test_nothing_is_recorded_of_courses_that_nobody_takes_any_more() -> None:
    recorded = {name for path in (*TRANSCRIPTS.glob("*.yaml"), DIFFERENCES) for name in read(path)}
    assert recorded - {scenario.__name__ for _, scenario in scenarios()} == set()


@pytest.mark.parametrize(
    ("topic", "scenario"), [pytest.param(topic, each, id=each.__name__) for topic, each in scenarios()]
)
async def test_an_api_server_answers_as_recorded(
    wire: Wire, opened: Door, topic: str, scenario: Scenario, request: pytest.FixtureRequest
) -> None:
    api = Recorder(wire, f"t{secrets.token_hex(4)}", opened)
    await api.begin()
    await scenario(api)
    real = "real" in request.node.callspec.id.split("-")
    path = TRANSCRIPTS / f"{topic}.yaml" if real else DIFFERENCES
    recorded, name = read(path), scenario.__name__
    seen: Any = api.steps if real else differences(api.steps, read(TRANSCRIPTS / f"{topic}.yaml")[name])
    if request.config.getoption("--record"):
        write(path, {key: value for key, value in {**recorded, name: seen}.items() if value})
    else:
        assert seen == recorded.get(name, {})
