"""CustomResourceDefinitions: resources that come and go, with schemas that are kept to."""

import time

import pytest

from rollouts.kube.errors import Invalid, NotFound
from rollouts.kube.refs import CRD, Obj, Resource
from rollouts.sandbox.apiserver.server import ApiServer
from tests.sandbox.cluster_objects import WIDGET, server, widget, widgets

SPEC: Obj = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1},
        "colour": {"type": "string", "default": "red"},
        "selector": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "field is immutable"}],
        },
    },
}


@pytest.fixture
def api() -> ApiServer:
    return server()


async def test_a_definition_is_established_and_knows_its_names(api: ApiServer) -> None:
    made = await api.create(CRD, "", widgets(shortNames=["wd"], categories=["all"]))
    conditions = {one["type"]: one["status"] for one in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["acceptedNames"]["singular"] == "widget"
    assert made["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert made["status"]["storedVersions"] == ["v1"]
    served = api.registry.of(WIDGET)
    assert (served.short_names, served.categories, served.singular) == (("wd",), ("all",), "widget")
    assert served.custom
    assert served.subresources == {"status"}


async def test_a_definition_that_cannot_be_served_is_invalid(api: ApiServer) -> None:
    wrong = widgets()
    wrong["metadata"]["name"] = "gadgets.example.com"
    with pytest.raises(
        Invalid, match=r'metadata\.name: Invalid value: "gadgets.example.com": must be spec.names.plural'
    ):
        await api.create(CRD, "", wrong)
    bare = widgets()
    del bare["spec"]["versions"][0]["schema"]
    with pytest.raises(
        Invalid, match=r"spec\.versions\[0\]\.schema\.openAPIV3Schema: Required value: schemas are required"
    ):
        await api.create(CRD, "", bare)
    with pytest.raises(Invalid, match="must be a valid regular expression"):
        await api.create(CRD, "", widgets(spec={"type": "object", "properties": {"a": {"pattern": "("}}}))
    homeless = widgets()
    homeless["spec"]["versions"][0]["storage"] = False
    with pytest.raises(Invalid, match="must have exactly one version marked as storage version"):
        await api.create(CRD, "", homeless)


async def test_an_object_is_pruned_and_gets_its_defaults(api: ApiServer) -> None:
    await api.create(CRD, "", widgets(spec=SPEC))
    made = await api.create(WIDGET, "default", widget("x", size=1, typo=True))
    assert made["spec"] == {"size": 1, "colour": "red"}
    patched = await api.patch(WIDGET, "default", "x", {"spec": {"colour": None, "more": 1}})
    assert patched is made


async def test_an_object_that_breaks_the_schema_is_invalid(api: ApiServer) -> None:
    await api.create(CRD, "", widgets(spec=SPEC))
    with pytest.raises(Invalid) as invalid:
        await api.create(WIDGET, "default", widget("x", size="big"))
    cause = 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'
    assert invalid.value.message.startswith(
        f'Widget.example.com "x" is invalid: [{cause}, <nil>: Invalid value: null: '
    )
    assert "some validation rules were not checked" in invalid.value.message
    assert invalid.value.details["kind"] == "Widget"
    with pytest.raises(Invalid, match=r"spec\.size: Required value"):
        await api.create(WIDGET, "default", widget("x"))
    await api.create(WIDGET, "default", widget("x", size=1))
    with pytest.raises(Invalid, match="should be greater than or equal to 1"):
        await api.patch(WIDGET, "default", "x", {"spec": {"size": 0}})


async def test_a_field_that_equals_its_old_self_by_rule_cannot_be_changed(api: ApiServer) -> None:
    await api.create(CRD, "", widgets(spec=SPEC))
    await api.create(WIDGET, "default", widget("x", size=1, selector={"a": "b"}))
    with pytest.raises(Invalid, match=r'spec\.selector: Invalid value: "object": field is immutable'):
        await api.patch(WIDGET, "default", "x", {"spec": {"selector": {"a": "c"}}})
    await api.patch(WIDGET, "default", "x", {"spec": {"size": 2}})


async def test_a_status_write_is_not_held_up_by_a_spec_that_a_newer_schema_would_refuse(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    await api.create(WIDGET, "default", widget("x", size="big"))
    stricter = {"spec": {"versions": widgets(spec=SPEC)["spec"]["versions"]}}
    await api.patch(CRD, "", "widgets.example.com", stricter)
    patched = await api.patch(WIDGET, "default", "x", {"status": {"seen": 1}}, subresource="status")
    assert patched["status"] == {"seen": 1}
    with pytest.raises(Invalid):
        await api.patch(WIDGET, "default", "x", {"spec": {"size": "huge"}})


async def test_a_changed_definition_is_served_as_changed(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    second = {**widgets()["spec"]["versions"][0], "name": "v2", "storage": False}
    patch = {"spec": {"versions": [widgets()["spec"]["versions"][0], second]}}
    await api.patch(CRD, "", "widgets.example.com", patch)
    await api.create(WIDGET, "default", widget("x", size=1))
    newer = Resource("example.com", "v2", "widgets", "Widget")
    assert (await api.get(newer, "default", "x"))["apiVersion"] == "example.com/v2"
    assert [one["apiVersion"] for one in (await api.list(newer)).items] == ["example.com/v2"]
    assert (await api.get(WIDGET, "default", "x"))["apiVersion"] == "example.com/v1"
    await api.patch(CRD, "", "widgets.example.com", {"spec": {"versions": [second | {"storage": True}]}})
    with pytest.raises(NotFound):
        await api.get(WIDGET, "default", "x")


async def test_an_object_of_a_cluster_scoped_kind_has_no_namespace(api: ApiServer) -> None:
    definition = widgets()
    definition["spec"]["scope"] = "Cluster"
    await api.create(CRD, "", definition)
    kind = Resource("example.com", "v1", "widgets", "Widget", namespaced=False)
    made = await api.create(kind, "", widget("x"))
    assert "namespace" not in made["metadata"]
    assert await api.get(kind, "", "x") is made


async def test_rules_that_are_not_evaluated_are_warned_about(api: ApiServer) -> None:
    rule = {"rule": "self.size > 1"}
    warnings: list[str] = []
    await api.create(CRD, "", widgets(spec={**SPEC, "x-kubernetes-validations": [rule]}), warnings=warnings)
    assert warnings == ["version v1: x-kubernetes-validations rule 'self.size > 1' is not evaluated by the sandbox"]


async def test_fields_that_a_definition_makes_selectable_can_be_selected_by(api: ApiServer) -> None:
    definition = widgets(spec=SPEC)
    definition["spec"]["versions"][0]["selectableFields"] = [{"jsonPath": ".spec.colour"}]
    await api.create(CRD, "", definition)
    await api.create(WIDGET, "default", widget("x", size=1))
    await api.create(WIDGET, "default", widget("y", size=1, colour="blue"))
    found = await api.list(WIDGET, field_selector="spec.colour=blue")
    assert [one["metadata"]["name"] for one in found.items] == ["y"]


async def test_a_small_patch_of_a_custom_resource_is_cheap(api: ApiServer) -> None:
    await api.create(CRD, "", widgets(spec=SPEC))
    await api.create(WIDGET, "default", widget("x", size=1))

    async def hundred(start: int) -> float:
        began = time.process_time()
        for number in range(start, start + 100):
            await api.patch(WIDGET, "default", "x", {"status": {"seen": number}}, subresource="status")
        return (time.process_time() - began) / 100

    assert min([await hundred(start) for start in range(0, 1000, 100)]) < 200e-6
