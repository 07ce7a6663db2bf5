"""Server-side apply as the server takes it: with somebody who knows about ownership, or not at all."""

import pytest

from rollouts.kube.errors import Conflict, Invalid, Refused
from rollouts.kube.refs import CONFIG_MAP, CRD, Obj
from rollouts.kube.wire import PatchType
from rollouts.sandbox.apiserver.ownership import FieldOwnership
from rollouts.sandbox.apiserver.server import ApiServer
from tests.sandbox.cluster_objects import WIDGET, config_map, server, widgets


@pytest.fixture
def api() -> ApiServer:
    made = server()
    made.ownership = FieldOwnership()
    return made


async def apply(api: ApiServer, manager: str, *, force: bool = False, **data: str) -> Obj:
    given = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("a", None, **data)}
    return await api.patch(CONFIG_MAP, "default", "a", given, type=PatchType.APPLY, field_manager=manager, force=force)


async def test_applying_creates_what_is_not_there(api: ApiServer) -> None:
    made = await apply(api, "me", x="1")
    assert made["data"] == {"x": "1"}
    assert made["metadata"]["uid"]
    [entry] = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("me", "Apply")


async def test_applying_the_same_again_changes_nothing(api: ApiServer) -> None:
    made = await apply(api, "me", x="1")
    assert await apply(api, "me", x="1") is made


async def test_applying_less_removes_what_was_applied_before(api: ApiServer) -> None:
    await apply(api, "me", x="1", y="2")
    assert (await apply(api, "me", y="2"))["data"] == {"y": "2"}


async def test_what_somebody_else_applied_is_a_conflict_unless_forced(api: ApiServer) -> None:
    await apply(api, "me", x="1")
    with pytest.raises(Conflict, match="conflict with"):
        await apply(api, "you", x="2")
    assert (await apply(api, "you", force=True, x="2"))["data"] == {"x": "2"}


async def test_an_ordinary_write_by_somebody_with_a_name_is_noted(api: ApiServer) -> None:
    await apply(api, "me", x="1")
    await api.patch(CONFIG_MAP, "default", "a", {"data": {"x": "3"}}, field_manager="editor")
    with pytest.raises(Conflict, match="editor"):
        await apply(api, "me", x="1")


async def test_an_apply_needs_the_name_of_who_applies(api: ApiServer) -> None:
    with pytest.raises(Invalid, match="fieldManager: Required value: is required for apply patch"):
        await apply(api, "")


async def test_a_custom_resource_is_applied_by_its_schema(api: ApiServer) -> None:
    spec = {"type": "object", "properties": {"size": {"type": "integer", "default": 3}, "colour": {"type": "string"}}}
    await api.create(CRD, "", widgets(spec=spec))
    given = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x"}, "spec": {"colour": "red"}}
    made = await api.patch(WIDGET, "default", "x", given, type=PatchType.APPLY, field_manager="me")
    assert made["spec"] == {"colour": "red", "size": 3}
    assert made["metadata"]["generation"] == 1


async def test_a_server_that_knows_nothing_of_ownership_says_so() -> None:
    with pytest.raises(Refused, match="accepted media types include: application/json-patch") as refused:
        await apply(server(), "me", x="1")
    assert refused.value.code == 415
