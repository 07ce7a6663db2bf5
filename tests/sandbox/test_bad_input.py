"""Whatever a client sends, the server answers with a refusal, never with a failure of its own."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.kube.errors import ApiError
from rollouts.kube.refs import CRD, DEPLOYMENT, INGRESS, JOB, POD, REPLICA_SET, SECRET, SERVICE, Resource
from rollouts.kube.wire import PatchType
from rollouts.sandbox.apiserver.types.registry import POD_DISRUPTION_BUDGET
from tests.sandbox.cluster_objects import WIDGET, pod, server, widget, widgets, workload

NAMES = (
    "metadata spec status name labels annotations finalizers containers image ports port env selector "
    "matchLabels matchExpressions template replicas type strategy rollingUpdate clusterIP rules "
    "minAvailable data stringData valueFrom fieldRef key operator values app web size versions names "
    "schema 0 - $patch $retainKeys "
)
WORDS = st.sampled_from(NAMES.split())
SCALARS = st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "a", "A b", "25%", "In", "replace"])
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4))
OBJECTS = st.dictionaries(WORDS, JSON, max_size=4)
KINDS = st.sampled_from(
    [POD, SERVICE, DEPLOYMENT, REPLICA_SET, JOB, SECRET, INGRESS, POD_DISRUPTION_BUDGET, CRD, WIDGET]
)


async def refused_or_done(call: Coroutine[Any, Any, Any]) -> None:
    """Any other exception is a failure of the server, and of the test."""
    try:
        await call
    except ApiError as error:
        refusal = error
    else:
        return
    assert refusal.message
    assert refusal.code >= 400


@settings(deadline=None)
@given(KINDS, OBJECTS, JSON)
def test_a_nonsensical_object_is_refused_or_stored(kind: Resource, obj: dict[str, Any], spec: Any) -> None:
    async def run() -> None:
        api = server()
        await api.create(CRD, "", widgets())
        namespace = "default" if kind.namespaced else ""
        await refused_or_done(api.create(kind, namespace, obj, field_validation="Warn"))
        named = {**obj, "metadata": {"name": "a"}, "spec": spec}
        await refused_or_done(api.create(kind, namespace, named, field_validation="Warn"))
        await refused_or_done(api.replace(kind, namespace, "a", named, field_validation="Warn"))

    asyncio.run(run())


@settings(deadline=None)
@given(st.sampled_from([POD, DEPLOYMENT, WIDGET]), OBJECTS, st.sampled_from([PatchType.MERGE, PatchType.STRATEGIC]))
def test_a_nonsensical_patch_is_refused_or_done(kind: Resource, patch: dict[str, Any], type_: PatchType) -> None:
    async def run() -> None:
        api = server()
        await api.create(CRD, "", widgets(scale=True))
        for resource, obj in ((POD, pod("a")), (DEPLOYMENT, workload("a")), (WIDGET, widget("a", replicas=1))):
            await api.create(resource, "default", obj)
        for door in ("", "status", "scale"):
            call = api.patch(kind, "default", "a", patch, type=type_, subresource=door, field_validation="Warn")
            await refused_or_done(call)

    asyncio.run(run())


OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])},
    optional={
        "path": st.lists(WORDS, max_size=4).map(lambda parts: "".join(f"/{part}" for part in parts)),
        "from": st.lists(WORDS, max_size=4).map(lambda parts: "".join(f"/{part}" for part in parts)),
        "value": JSON,
    },
)


@settings(deadline=None)
@given(st.lists(OPERATIONS, max_size=3))
def test_a_nonsensical_json_patch_is_refused_or_done(operations: list[dict[str, Any]]) -> None:
    async def run() -> None:
        api = server()
        await api.create(POD, "default", pod("a"))
        await refused_or_done(api.patch(POD, "default", "a", operations, type=PatchType.JSON, field_validation="Warn"))

    asyncio.run(run())


@pytest.mark.parametrize("obj", [[], "text", None, {"metadata": []}, {"metadata": {"name": "a", "labels": "x"}}])
async def test_what_is_no_object_is_refused_in_words(obj: Any) -> None:
    with pytest.raises(ApiError, match=r"an object with metadata is expected|cannot unmarshal 'x' into field") as bad:
        await server().create(POD, "default", obj)
    assert bad.value.code == 400
