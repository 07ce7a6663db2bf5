"""CustomResourceDefinitions and the objects that have to keep to them."""

from rollouts.kube.refs import CRD, Obj, Resource
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import widget, widgets

_SPEC: Obj = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "colour": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
        "ratio": {"type": "number"},
        "port": {"x-kubernetes-int-or-string": True},
        "on": {"type": "boolean"},
        "maybe": {"type": "string", "nullable": True},
        "listed": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "unique": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "keyed": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "nested": {
            "type": "object",
            "default": {},
            "properties": {"depth": {"type": "integer", "default": 3}, "more": {"type": "object"}},
        },
        "selector": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "field is immutable"}],
        },
    },
}


async def an_object_is_pruned_and_gets_its_defaults(api: Recorder) -> None:
    kind = await api.define(widgets(spec=_SPEC))
    await api.create(kind, widget("x", size=1, typo=True, nested={"typo": 1}, free={"any": {"thing": 1}}))
    await api.create(kind, {**widget("y", size=1, nested={"more": {"gone": 1}}), "extra": 1})
    await api.patch(kind, "x", {"spec": {"colour": None, "more": 1}})
    await api.patch(kind, "x", {"spec": {"nested": None, "maybe": None}})
    await api.create(kind, widget("z", size=1, colour=None, maybe=None, free=None))


async def an_object_that_breaks_the_schema_is_invalid(api: Recorder) -> None:
    kind = await api.define(widgets(spec=_SPEC))
    for spec in (
        {"size": "big"},
        {},
        {"size": 0},
        {"size": 11},
        {"size": 1.5},
        {"size": 1.0},
        {"size": 1, "colour": "green"},
        {"size": 1, "name": "UPPER"},
        {"size": 1, "name": "toolong"},
        {"size": 1, "on": "yes"},
        {"size": 1, "port": 1.5},
        {"size": 1, "ratio": "1"},
        {"size": 1, "listed": ["a", "b", "c"]},
        {"size": 1, "listed": [1]},
        {"size": 1, "listed": "a"},
        {"size": 1, "unique": ["a", "a"]},
        {"size": 1, "keyed": [{"name": "a"}, {"name": "a"}]},
        {"size": 1, "keyed": [{}]},
        {"size": 1, "labels": {"a": 1}},
        {"size": 1, "free": []},
    ):
        await api.create(kind, {"metadata": {"name": "x"}, "spec": spec}, show="spec")
    await api.create(kind, {"metadata": {"name": "y"}, "spec": "text"})
    await api.create(kind, {"metadata": {"name": "y"}}, show="spec")
    await api.patch(kind, "x", {"spec": {"size": 0}})


async def a_field_that_equals_its_old_self_by_rule_cannot_be_changed(api: Recorder) -> None:
    kind = await api.define(widgets(spec=_SPEC))
    await api.create(kind, widget("x", size=1, selector={"a": "b"}), show="spec")
    await api.patch(kind, "x", {"spec": {"selector": {"a": "c"}}})
    await api.patch(kind, "x", {"spec": {"size": 2}}, show="spec")


async def the_status_door_of_a_custom_resource(api: Recorder) -> None:
    kind = await api.define(widgets(spec=_SPEC))
    made = await api.create(kind, {**widget("x", size=1), "status": {"seen": 1}})
    await api.patch(kind, "x", {"status": {"seen": 2}, "spec": {"size": 5}}, subresource="status")
    await api.patch(kind, "x", {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}, subresource="status")
    await api.patch(kind, "x", {"spec": {"size": 2}, "status": {"seen": 3}})
    now = await api.get(kind, "x", subresource="status", show="status")
    await api.replace(kind, "x", {**now, "status": {"seen": 4}, "spec": {"size": 9}}, subresource="status")
    await api.replace(kind, "x", {**now, "status": {"seen": 5}}, subresource="status")
    await api.patch(
        kind, "x", {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}, subresource="status"
    )
    await api.patch(kind, "x", {"status": None}, subresource="status")


async def a_kind_without_a_status_door_keeps_its_status_with_the_rest(api: Recorder) -> None:
    kind = await api.define(widgets(status=False))
    await api.create(kind, {**widget("x", size=1), "status": {"seen": 1}})
    await api.patch(kind, "x", {"status": {"seen": 2}}, subresource="status")
    await api.patch(kind, "x", {"status": {"seen": 3}})


async def a_status_write_of_what_a_newer_schema_would_refuse(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("x", size="big"), show="spec")
    stricter = {"spec": {"versions": widgets(spec=_SPEC)["spec"]["versions"]}}
    await api.patch(CRD, f"widgets.{api.group}", stricter, show="kind")
    await _refuses(api, kind, {"size": "huge"})
    await api.patch(kind, "x", {"status": {"seen": 1}}, subresource="status")
    await api.patch(kind, "x", {"metadata": {"labels": {"a": "b"}}})
    await api.patch(kind, "x", {"spec": {"size": "huge"}})
    await api.patch(kind, "x", {"spec": {"size": 1}})


async def _refuses(api: Recorder, kind: Resource, spec: Obj) -> None:
    """Wait until the changed schema is in force."""
    quiet = Recorder(api.wire, api.namespace, api.door)
    for _ in range(1200):
        await quiet.create(kind, {"metadata": {"generateName": "probe-"}, "spec": spec})
        if "refused" in quiet.steps[-1]:
            return
        await quiet.pause()
    raise AssertionError("the changed schema is not in force")


async def a_definition_that_cannot_be_served_is_invalid(api: Recorder) -> None:
    def named(name: str, **spec: object) -> Obj:
        definition = widgets()
        definition["metadata"]["name"] = f"{name}.{api.group}"
        definition["spec"] |= {"group": api.group, **spec}
        return definition

    await api.create(CRD, named("gadgets"))
    bare = named("widgets")
    del bare["spec"]["versions"][0]["schema"]
    await api.create(CRD, bare)
    homeless = named("widgets")
    homeless["spec"]["versions"][0]["storage"] = False
    await api.create(CRD, homeless)
    pattern = {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}
    await api.create(CRD, named("widgets", versions=widgets(spec=pattern)["spec"]["versions"]))
    untyped = {"type": "object", "properties": {"a": {"pattern": "a"}}}
    await api.create(CRD, named("widgets", versions=widgets(spec=untyped)["spec"]["versions"]))
    await api.create(CRD, named("widgets", scope="Everywhere"))
    await api.create(CRD, named("widgets", names={"plural": "widgets"}))


async def a_definition_is_completed_and_established(api: Recorder) -> None:
    kind = await api.define(widgets(shortNames=["wd"], categories=["all"]))
    made = await api.get(CRD, f"{kind.plural}.{kind.group}", show="spec")
    conditions = {each["type"]: each["status"] for each in made["status"]["conditions"]}
    api.note("conditions", conditions)
    api.note("accepted", made["status"]["acceptedNames"])
    api.note("stored", made["status"]["storedVersions"])


async def a_custom_resource_scales_where_its_definition_says(api: Recorder) -> None:
    kind = await api.define(widgets(scale=True))
    await api.create(kind, widget("x", replicas=1), show="spec")
    await api.get(kind, "x", subresource="scale")
    status = {"status": {"replicas": 1, "selector": "app=x"}}
    await api.patch(kind, "x", status, subresource="status", show="status")
    old = await api.get(kind, "x", subresource="scale")
    await api.patch(kind, "x", {"spec": {"replicas": 4}}, subresource="scale")
    await api.get(kind, "x", show="spec")
    await api.replace(kind, "x", {**old, "spec": {"replicas": 5}}, subresource="scale")
    await api.patch(kind, "x", {"spec": {"replicas": -1}}, subresource="scale")
    await api.create(kind, widget("y"), show="spec")
    await api.get(kind, "y", subresource="scale")
    await api.get(kind, "none", subresource="scale")


async def a_custom_resource_without_scale_has_none(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("x", replicas=1), show="spec")
    await api.get(kind, "x", subresource="scale")
