"""Hashes and spellings equal to Go's, by values that Go computed."""

import json
from pathlib import Path
from typing import Any

import pytest

from rollouts.api.gotypes import WrongType, go_json
from rollouts.api.pod.defaults import default_pod_template
from rollouts.api.quantity import parse_quantity
from rollouts.api.template import pod_template_hash, safe_hash, step_hash

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = json.loads((GOLDEN / "templates.json").read_text())
STEPS = json.loads((GOLDEN / "steps.json").read_text())
QUANTITIES = json.loads((GOLDEN / "quantities.json").read_text())

RESOURCES = {"limits": {"cpu": "2", "memory": "8192M"}, "requests": {"cpu": "150m", "memory": "8192M"}}
UPSTREAM = {
    "metadata": {"labels": {"foo": "bar"}},
    "spec": {"containers": [{"name": "container-name", "image": "foo/bar", "resources": RESOURCES}]},
}


def named(rows: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in rows]


@pytest.mark.parametrize(("collision_count", "expected"), [(None, "6f496f9f78"), (0, "78898cdf54"), (1, "c5c5c848c")])
def test_a_collision_count_gives_another_hash(collision_count: int | None, expected: str) -> None:
    assert pod_template_hash(UPSTREAM, collision_count) == expected


@pytest.mark.parametrize(("image", "expected"), [("img:1", "9f9bc55f7"), ("img:2", "79dbf75f7b")])
def test_the_hash_is_the_one_that_a_running_argo_gave(image: str, expected: str) -> None:
    template = {"metadata": {"labels": {"app": "r"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    assert pod_template_hash(template) == expected


@pytest.mark.parametrize("row", named(TEMPLATES))
def test_a_pod_template_hashes_as_in_go(row: dict[str, Any]) -> None:
    assert pod_template_hash(row["template"]) == row["hash"]
    assert pod_template_hash(row["template"], 3) == row["collided"]


@pytest.mark.parametrize("row", named([row for row in TEMPLATES if "defaulted" in row]))
def test_a_pod_template_gets_the_api_servers_defaults(row: dict[str, Any]) -> None:
    assert safe_hash(go_json(default_pod_template(row["template"])).encode()) == row["defaulted"]


def test_defaults_of_defaults_change_nothing() -> None:
    for row in TEMPLATES:
        once = default_pod_template(row["template"])
        assert default_pod_template(once) == once, row["name"]


def test_the_deprecated_service_account_names_the_service_account() -> None:
    (row,) = (row for row in TEMPLATES if row["name"] == "deprecated service account")
    assert default_pod_template(row["template"])["spec"]["serviceAccountName"] == "old"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], "5ffbfbbd64"),
        ([{"pause": {}}], "6b9b86fbd5"),
        ([{"pause": {}}, {"pause": {}}], "79c9b9f6bf"),
        ([{"setWeight": 10}, {"pause": {}}], "849b756fd4"),
        ([{"setWeight": 50}, {"pause": {}}], "757f5f97b"),
        ([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}], "b8dc68f97"),
    ],
)
def test_the_step_hash_is_the_one_that_a_running_argo_gave(steps: list[dict[str, Any]], expected: str) -> None:
    assert step_hash(steps) == expected


@pytest.mark.parametrize("row", named(STEPS))
def test_steps_hash_as_in_go(row: dict[str, Any]) -> None:
    assert step_hash(row["steps"]) == row["hash"]


@pytest.mark.parametrize("row", named([row for row in STEPS if "earlier" in row]))
def test_a_hash_by_an_earlier_argo_stays_for_as_long_as_the_steps_do(row: dict[str, Any]) -> None:
    assert row["earlier"] != row["hash"]
    assert step_hash(row["steps"], stored=row["earlier"]) == row["earlier"]
    assert step_hash(row["steps"], stored=row["hash"]) == row["hash"]
    changed = [*row["steps"], {"pause": {}}]
    assert step_hash(changed, stored=row["earlier"]) == step_hash(changed)


@pytest.mark.parametrize("given", QUANTITIES)
def test_a_quantity_is_spelt_as_in_go(given: str) -> None:
    if QUANTITIES[given] is None:
        with pytest.raises(ValueError, match="is not a quantity"):
            parse_quantity(given)
    else:
        assert parse_quantity(given).text == QUANTITIES[given]


def test_a_quantity_beyond_all_measure_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="too large or too small"):
        parse_quantity("1e999999999")


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ({"spec": []}, "spec: must be of type object: array"),
        ({"spec": {"containers": {}}}, "spec.containers: must be of type array: object"),
        ({"spec": {"containers": ["x"]}}, r"spec.containers\[0\]: must be of type object: string"),
        ({"spec": {"containers": [{"name": 1}]}}, r"spec.containers\[0\].name: must be of type string: integer"),
        ({"spec": {"priority": True}}, "spec.priority: must be of type integer: boolean"),
        ({"spec": {"priority": 1.5}}, "spec.priority: must be of type integer: number"),
        ({"spec": {"hostNetwork": "yes"}}, "spec.hostNetwork: must be of type boolean: string"),
        ({"spec": {"overhead": {"cpu": "much"}}}, "spec.overhead.cpu: must be of type quantity: string"),
        ({"spec": {"overhead": {"cpu": []}}}, "spec.overhead.cpu: must be of type string: array"),
        ({"metadata": {"labels": {"a": 1}}}, "metadata.labels.a: must be of type string: integer"),
        ({"metadata": {"labels": {1: "a"}}}, r"metadata.labels\[1\]: must be of type string: integer"),
        ({"metadata": {"labels": ["a"]}}, "metadata.labels: must be of type object: array"),
        ({"metadata": {"creationTimestamp": "noon"}}, "metadata.creationTimestamp: must be of type date-time: string"),
    ],
)
def test_a_template_that_go_could_not_read_is_refused_by_path(template: Any, complaint: str) -> None:
    with pytest.raises(WrongType, match=f"^{complaint}$"):
        pod_template_hash(template)
