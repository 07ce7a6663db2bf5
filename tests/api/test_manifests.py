"""The users' manifests and Argo's examples are read and accepted."""

from collections.abc import Iterator
from typing import Any

import pytest

from analysis.api import AnalysisRun, AnalysisTemplate, ClusterAnalysisTemplate
from analysis.schema import Model
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import Rollout
from rollouts.api.rules.validate import validate_rollout
from rollouts.api.support import unsupported
from rollouts.api.template import pod_template_hash, step_hash
from tests.api.shared import DOCUMENTS, needs_shared, of_kind

pytestmark = needs_shared

MODELS: dict[str, type[Model]] = {
    model.__name__: model for model in (Rollout, Experiment, AnalysisTemplate, ClusterAnalysisTemplate, AnalysisRun)
}


def unknown_fields(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Model):
        yield from (f"{path}.{name}" for name in value.unknown)
        for name in type(value).model_fields:
            yield from unknown_fields(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from unknown_fields(item, f"{path}[{at}]")


@pytest.mark.parametrize("document", of_kind())
def test_a_manifest_is_read_whole_and_comes_back(document: dict[str, Any]) -> None:
    model = MODELS[document["kind"]]
    value = model.model_validate(document)
    assert list(unknown_fields(value)) == []
    assert model.model_validate(value.wire()) == value


@pytest.mark.parametrize("document", of_kind("Rollout"))
def test_a_rollout_is_valid(document: dict[str, Any]) -> None:
    assert validate_rollout(Rollout.model_validate(document)) is None


@pytest.mark.parametrize("document", of_kind("Rollout"))
def test_a_rollouts_hashes_do_not_depend_on_the_order_of_keys(document: dict[str, Any]) -> None:
    def reversed_keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        return [reversed_keys(item) for item in value] if isinstance(value, list) else value

    template = document["spec"].get("template", {})
    steps = document["spec"]["strategy"].get("canary", {}).get("steps") or []
    assert pod_template_hash(reversed_keys(template)) == pod_template_hash(template)
    assert step_hash(reversed_keys(steps)) == step_hash(steps)


def test_the_users_own_rollouts_are_within_what_the_controller_does() -> None:
    own = [doc for name, doc in DOCUMENTS.items() if name.startswith("manifests/") and doc["kind"] == "Rollout"]
    assert len(own) >= 2
    assert [unsupported(Rollout.model_validate(document)) for document in own] == [None] * len(own)
