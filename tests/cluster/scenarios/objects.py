"""Creating, reading and replacing objects."""

from rollouts.kube.refs import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, REPLICA_SET, SERVICE
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, pod, widget, widgets, workload


async def a_new_object_gets_what_the_server_alone_may_give(api: Recorder) -> None:
    given = {"metadata": {"name": "a", "uid": "mine", "generation": 7, "creationTimestamp": None}}
    await api.create(CONFIG_MAP, given)
    await api.create(DEPLOYMENT, workload("a"), show="metadata")


async def the_kind_is_filled_in_and_a_wrong_one_refused(api: Recorder) -> None:
    await api.create(CONFIG_MAP, config_map("a"))
    await api.create(CONFIG_MAP, {"apiVersion": "v2", "kind": "ConfigMap", **config_map("b")})
    await api.create(CONFIG_MAP, {"apiVersion": "v1", "kind": "Secret", **config_map("c")})
    await api.create(CONFIG_MAP, config_map("d"), bare=True)
    kind = await api.define(widgets())
    await api.create(kind, widget("e"), bare=True)
    await api.create(kind, {**widget("e"), "kind": "Gadget"})
    await api.create(kind, {**widget("e"), "apiVersion": f"{api.group}/v2"})


async def an_object_needs_a_name_that_can_be_one(api: Recorder) -> None:
    await api.create(CONFIG_MAP, {"metadata": {}})
    await api.create(CONFIG_MAP, config_map("A_b"))
    await api.create(CONFIG_MAP, config_map("a" * 254))
    await api.create(SERVICE, {"metadata": {"name": "1a"}, "spec": {"ports": [{"port": 80}]}})
    await api.create(CONFIG_MAP, {"metadata": {"name": "A-", "generateName": "b-"}})


async def a_generated_name_is_the_prefix_and_five_letters(api: Recorder) -> None:
    await api.create(CONFIG_MAP, {"metadata": {"generateName": "a-"}}, show="metadata")
    await api.create(POD, {**pod("x"), "metadata": {"generateName": "a-"}}, show="metadata")


async def labels_must_be_words_and_annotations_strings(api: Recorder) -> None:
    await api.create(CONFIG_MAP, config_map("a", {"x": "a b"}))
    await api.create(CONFIG_MAP, config_map("a", {"a b": "x"}))
    await api.create(CONFIG_MAP, config_map("a", {"x": "y" * 64}))
    await api.create(CONFIG_MAP, {"metadata": {"name": "a", "annotations": {"a b": "1"}}})


async def what_is_not_there_is_not_found(api: Recorder) -> None:
    await api.get(REPLICA_SET, "x")
    await api.patch(POD, "x", {})
    await api.delete(CONFIG_MAP, "x")
    await api.replace(CONFIG_MAP, "x", config_map("x"))
    await api.get(NAMESPACE, "nowhere")
    kind = await api.define(widgets())
    await api.get(kind, "x")
    await api.patch(kind, "x", {"spec": {}})
    await api.patch(kind, "x", {"status": {}}, subresource="status")


async def creating_twice_is_refused(api: Recorder) -> None:
    await api.create(DEPLOYMENT, workload("a"), show="kind")
    await api.create(DEPLOYMENT, workload("a"))
    kind = await api.define(widgets())
    await api.create(kind, widget("a"))
    await api.create(kind, widget("a"))


async def a_version_is_for_updates_only(api: Recorder) -> None:
    await api.create(CONFIG_MAP, {"metadata": {"name": "a", "resourceVersion": "1"}})


async def an_object_must_be_meant_for_the_place_it_is_sent_to(api: Recorder) -> None:
    await api.create(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "other"}})
    await api.create(CONFIG_MAP, config_map("a"), show="kind")
    await api.replace(CONFIG_MAP, "a", config_map("b"))


async def a_write_from_an_old_version_is_a_conflict(api: Recorder) -> None:
    kind = await api.define(widgets())
    for resource, obj, change in (
        (kind, widget("x", size=1), {"spec": {"size": 2}}),
        (CONFIG_MAP, config_map("x"), {"data": {"k": "v"}}),
        (DEPLOYMENT, workload("x"), {"spec": {"replicas": 2}}),
    ):
        old = await api.create(resource, obj, show="kind")
        await api.patch(resource, "x", change, show="metadata.generation")
        await api.replace(resource, "x", old)
        version = old["metadata"]["resourceVersion"]
        await api.patch(resource, "x", {"metadata": {"resourceVersion": version}})


async def a_write_meant_for_an_earlier_object_of_the_same_name_is_a_conflict(api: Recorder) -> None:
    kind = await api.define(widgets())
    other = "01234567-89ab-cdef-0123-456789abcdef"
    for resource, obj in ((kind, widget("a")), (CONFIG_MAP, config_map("a"))):
        await api.create(resource, obj, show="kind")
        await api.patch(resource, "a", {"metadata": {"uid": other}})
        await api.delete(resource, "a", uid=other)


async def custom_resources_are_replaced_only_from_a_known_version_built_in_ones_from_any(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("x"))
    await api.replace(kind, "x", widget("x"))
    await api.create(CONFIG_MAP, config_map("a", {"k": "v"}, x="1"))
    await api.replace(CONFIG_MAP, "a", config_map("a", y="2"))


async def system_metadata_survives_a_replacement(api: Recorder) -> None:
    made = await api.create(CONFIG_MAP, config_map("a"))
    await api.replace(CONFIG_MAP, "a", {"metadata": {"name": "a", "generateName": "b-", "generation": 7}})
    await api.replace(CONFIG_MAP, "a", {"metadata": {"name": "a", "uid": "01234567-89ab-cdef-0123-456789abcdef"}})
    later = {"name": "a", "uid": made["metadata"]["uid"], "creationTimestamp": "2001-01-01T00:00:00Z"}
    kept = await api.replace(CONFIG_MAP, "a", {"metadata": later})
    api.note(
        "the time of creation stays", kept["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    )


async def a_write_that_changes_nothing_makes_no_new_version(api: Recorder) -> None:
    kind = await api.define(widgets())
    for resource, obj, change in (
        (kind, widget("x", size=1), {"spec": {"size": 1}}),
        (DEPLOYMENT, workload("x"), {"spec": {"replicas": 1}}),
        (CONFIG_MAP, config_map("x", a="b"), {"data": {"a": "b"}}),
    ):
        made = await api.create(resource, obj, show="kind")
        patched = await api.patch(resource, "x", change, show="kind")
        replaced = await api.replace(resource, "x", made, show="kind")
        versions = {each["metadata"]["resourceVersion"] for each in (made, patched, replaced)}
        api.note("versions", len(versions))


async def the_generation_counts_changes_of_what_is_asked_for(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, {**widget("x", size=1), "status": {"seen": 1}})
    await api.patch(kind, "x", {"metadata": {"labels": {"a": "b"}}}, show="metadata.generation")
    await api.patch(kind, "x", {"spec": {"size": 2}}, show="metadata.generation")
    await api.patch(kind, "x", {"status": {"seen": 2}}, show="metadata.generation")
    await api.patch(kind, "x", {"status": {"seen": 3}}, subresource="status", show="metadata.generation")
    for resource in (DEPLOYMENT, REPLICA_SET):
        await api.create(resource, workload("x"), show="metadata.generation")
        await api.patch(resource, "x", {"spec": {"replicas": 0}}, show="metadata.generation")
        await api.patch(resource, "x", {"metadata": {"annotations": {"a": "b"}}}, show="metadata.generation")
    await api.create(SERVICE, {"metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}}, show="metadata")
    await api.patch(SERVICE, "x", {"spec": {"selector": {"a": "b"}}}, show="metadata")


async def a_null_is_an_absent_field(api: Recorder) -> None:
    given = workload("a")
    given["spec"]["template"]["metadata"]["creationTimestamp"] = None
    await api.create(REPLICA_SET, {**given, "status": None}, show="spec.template.metadata")
    kind = await api.define(widgets())
    await api.create(kind, widget("x", a=None, b={"c": None}, d=[None, 1]))


async def a_namespace_must_be_there_before_what_is_in_it(api: Recorder) -> None:
    api.namespace, there = f"{api.namespace}-none", api.namespace
    await api.create(CONFIG_MAP, config_map("a"))
    await api.get(CONFIG_MAP, "a")
    await api.list(CONFIG_MAP)
    api.namespace = there
    await api.get(NAMESPACE, there)


async def owner_references_must_be_whole(api: Recorder) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "01234567-89ab-cdef-0123-456789abcdef"}
    for broken in (
        {**owner, "uid": ""},
        {**owner, "apiVersion": ""},
        {**owner, "kind": ""},
        {**owner, "name": ""},
        {**owner, "apiVersion": "v1", "kind": "Event"},
    ):
        await api.create(CONFIG_MAP, {"metadata": {"name": "a", "ownerReferences": [broken]}})
    both = [{**owner, "controller": True}, {**owner, "name": "p", "controller": True}]
    await api.create(CONFIG_MAP, {"metadata": {"name": "a", "ownerReferences": both}})


async def finalizers_must_have_a_domain(api: Recorder) -> None:
    await api.create(CONFIG_MAP, {"metadata": {"name": "a", "finalizers": ["hold"]}})
    await api.create(CONFIG_MAP, {"metadata": {"name": "a", "finalizers": ["a b/c"]}})
