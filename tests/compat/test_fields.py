"""Which tests show that a field of a spec acts: every field that a Rollout or an Experiment may have.

Each `[[field]]` of a file in `fields/` names `paths`, and `says` in a line what is so special about them. Of a field
that is acted on, `given` are the tests (`<file>::<function>`) in which its value makes the difference, `absent` those
of what holds without it (or the word "required": the definition refuses an object that lacks it), and `edge` those of
the values at its limits, of the ones that are refused, and of a change in mid-update. Of one that is not acted on,
`refused` are the tests of the condition that names it.

A path is as in the manifest; `[]` is each item of a list, `.*` each value of a map. `{a,b}` in it stands for one path
with each of these. Whoever adds a field to a model enters it here; whoever renames a test renames it here.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from analysis.schema import Model
from rollouts.api.experiment import ExperimentSpec
from rollouts.api.rollout import RolloutSpec
from rollouts.api.traffic import GATEWAY_API
from rollouts.traffic.gateway.config import GatewayConfig
from tests.compat.naming import exists

PAGES = sorted((Path(__file__).parent / "fields").glob("*.toml"))
KINDS: dict[str, type[Model]] = {"Rollout": RolloutSpec, "Experiment": ExperimentSpec, GATEWAY_API: GatewayConfig}
"""Their specs; the last is what a Rollout says under `spec.strategy.canary.trafficRouting.plugins`."""
POD_TEMPLATES = ("spec.template", "spec.templates[].template")
"""Kubernetes' own, which `tests/api/test_hashes.py` and `tests/api/test_validate.py` are about."""
TESTS = ("given", "absent", "edge", "refused")

Obj = dict[str, Any]


# ── the fields that there are ──


def leaves(model: type[Model], path: str = "spec") -> Iterator[tuple[str, bool]]:
    """The fields of a model that hold no further ones: path, and whether the definition requires it."""
    for name, field in model.model_fields.items():
        inner, shape = _model_in(field.annotation), _shape(field.annotation)
        where = f"{path}.{field.alias or name}{shape if inner or shape == '[]' else ''}"
        if where in POD_TEMPLATES:
            continue
        if inner is not None and inner.model_fields:
            yield from leaves(inner, where)
        else:
            yield where, field.is_required()


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _shape(annotation: Any) -> str:
    """How the values of a collection are written in a path."""
    origins = {get_origin(one) for one in (annotation, *get_args(annotation))}
    return "[]" if tuple in origins else ".*" if dict in origins else ""


# ── what the files say ──


@cache
def entries() -> tuple[tuple[str, Obj], ...]:
    """Each entry with the kind that it is about."""
    pages = [(tomllib.loads(page.read_text())) for page in PAGES]
    return tuple((page["kind"], entry) for page in pages for entry in page["field"])


def paths(entry: Obj) -> list[str]:
    return [path for given in entry["paths"] for path in _expanded(given)]


def _expanded(path: str) -> list[str]:
    found = re.search(r"\{([^{}]*)\}", path)
    if found is None:
        return [path]
    parts = (path[: found.start()] + part + path[found.end() :] for part in found[1].split(","))
    return [each for part in parts for each in _expanded(part)]


each_kind = pytest.mark.parametrize("kind", KINDS)


def test_a_path_may_stand_for_several() -> None:
    assert _expanded("a.{b,c}.{d,e}") == ["a.b.d", "a.b.e", "a.c.d", "a.c.e"]


@each_kind
def test_fields_are_found_to_their_ends(kind: str) -> None:
    found = dict(leaves(KINDS[kind]))
    some = {
        "Rollout": {
            "spec.replicas": False,
            "spec.strategy.blueGreen.activeService": True,
            "spec.strategy.canary.steps[].setMirrorRoute.match[].headers.*.exact": False,
            "spec.strategy.canary.trafficRouting.plugins": False,
            "spec.strategy.canary.trafficRouting.nginx.stableIngresses[]": False,
        },
        "Experiment": {"spec.templates[].service.name": False, "spec.analyses[].name": True},
        GATEWAY_API: {"spec.httpRoutes[].name": True, "spec.namespace": False},
    }
    assert some[kind].items() <= found.items()
    assert not found.keys() & set(POD_TEMPLATES)


@each_kind
def test_each_field_has_one_entry_and_each_entry_a_field(kind: str) -> None:
    told = [path for about, entry in entries() for path in paths(entry) if about == kind]
    assert sorted(set(dict(leaves(KINDS[kind]))) - set(told)) == [], "fields without an entry"
    assert sorted(set(told) - set(dict(leaves(KINDS[kind])))) == [], "entries of fields that are not there"
    assert sorted(path for path in set(told) if told.count(path) > 1) == [], "fields with two entries"


def test_each_entry_says_something_and_is_shown_by_tests_that_exist() -> None:
    for _, entry in entries():
        assert entry.keys() <= {"paths", "says", *TESTS}, entry
        assert entry["says"], entry["paths"]
        assert bool(entry.get("refused")) != bool(entry.get("given")), ("acts, or is refused", entry["paths"])
        assert entry.get("refused") or entry.get("absent"), ("what holds without it?", entry["paths"])
        named = [test for key in TESTS if entry.get(key) != "required" for test in entry.get(key, ())]
        assert [test for test in named if not exists(test)] == [], entry["paths"]


@each_kind
def test_what_is_required_is_what_the_definition_requires(kind: str) -> None:
    needed = {path for path, required in leaves(KINDS[kind]) if required}
    told = [(path, entry) for about, entry in entries() for path in paths(entry) if about == kind]
    assert [path for path, entry in told if (entry.get("absent") == "required") != (path in needed)] == []
