"""What routers write, in front of a real API server that serves the routers' own definitions."""

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from rollouts.decide.plan import Split
from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.patch import merge_patch
from rollouts.kube.refs import INGRESS, Obj, Ref, Resource
from rollouts.kube.wire import Wire
from rollouts.sandbox.controlplane.binaries import Binaries
from rollouts.sandbox.controlplane.plane import control_plane
from rollouts.traffic.base import Edit, Selection, look
from tests.cluster.connecting import connected
from tests.cluster.kubectl import Kubectl
from tests.traffic.golden import COURSE, said, status
from tests.traffic.users import ALL, SETTINGS, Users

CRDS = Path(__file__).parents[3] / "shared" / "upstream" / "crds"
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not CRDS.is_dir(), reason="the routers' definitions are not beside this repository"),
]
KINDS: dict[tuple[str, str], Resource] = {(one.api_version, one.kind): one for one in (*SETTINGS.resources, INGRESS)}


@pytest.fixture(scope="module")
def defined(binaries: Binaries, folder: Path) -> Iterator[Path]:
    """The way to an API server of its own that knows every router's kinds, and has no controllers."""
    with control_plane(binaries, folder / "routers", controllers=()) as plane:
        _define(Kubectl(plane.kubeconfig, folder), folder)
        yield plane.kubeconfig


def _define(kubectl: Kubectl, folder: Path) -> None:
    for file in sorted(CRDS.glob("*.yaml")):
        if file.stem != "ambassador":
            kubectl("apply", "--server-side", "-f", str(file))
    opened = folder / "ambassador.yaml"
    opened.write_text(yaml.safe_dump_all(_mappings((CRDS / "ambassador.yaml").read_text())))
    kubectl("apply", "--server-side", "-f", str(opened))
    kubectl("wait", "--for=condition=Established", "--timeout=100s", "crd", "--all")


@pytest_asyncio.fixture
async def wire(defined: Path) -> AsyncIterator[Wire]:
    async with connected(defined) as made:
        yield made


def _mappings(text: str) -> Iterator[Obj]:
    """Ambassador's definition of Mappings. Its schema is of a kind that no API server takes any more."""
    for definition in filter(None, yaml.safe_load_all(text)):
        if definition["metadata"]["name"] == "mappings.getambassador.io":
            for version in definition["spec"]["versions"]:
                anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                version["schema"] = {"openAPIV3Schema": anything}
            yield definition


class Cluster:
    """The routing objects of a namespace, read anew for each split."""

    def __init__(self, wire: Wire, made: Users) -> None:
        self.wire, self.made = wire, made

    async def find(self, ref: Ref) -> Obj | None:
        try:
            return await self.wire.get(ref.resource, ref.namespace, ref.name)
        except NotFound:
            return None

    async def clear(self) -> None:
        kinds = {KINDS[obj["apiVersion"], obj["kind"]] for obj in self.made.objects} | {SETTINGS.traffic_splits}
        for resource in kinds:
            for obj in (await self.wire.list(resource, "default")).items:
                await self.wire.delete(resource, "default", obj["metadata"]["name"])

    async def make(self) -> None:
        for obj in copy.deepcopy(self.made.objects):
            await self.wire.create(KINDS[obj["apiVersion"], obj["kind"]], "default", obj)

    async def edits(self, recorded: Obj | None, wanted: Split) -> list[tuple[Edit, Obj | None]]:
        """What the router would do about what the server has."""
        router, found = self.made.router(recorded), dict[Ref, Obj]()
        listed: dict[Resource, list[Obj]] = {}
        for need in router.needs({}):
            if isinstance(need, Selection) and need.resource not in listed:
                listed[need.resource] = list((await self.wire.list(need.resource, need.namespace)).items)
        for _ in range(2):
            for need in router.needs(found):
                if isinstance(need, Ref) and need not in found and (obj := await self.find(need)) is not None:
                    found[need] = obj

        def select(selection: Selection) -> list[Ref]:
            labelled = [one for one in listed[selection.resource] if selection.selector.matches(_labels(one))]
            refs = {Ref(selection.resource, selection.namespace, one["metadata"]["name"]): one for one in labelled}
            found.update(refs)
            return list(refs)

        shown = look(router, found.get, select)
        return [(edit, shown.get(edit.ref)) for edit in router.edit(shown, wanted)]

    async def write(self, edit: Edit, before: Obj | None) -> Obj | None:
        """As the controller writes: created, deleted, or patched under the condition of the version that was seen."""
        ref = edit.ref
        if edit.want is None:
            await self.wire.delete(ref.resource, ref.namespace, ref.name)
            return None
        if before is None:
            return await self.wire.create(ref.resource, ref.namespace, edit.want)
        patch = merge_patch(before, edit.want)
        patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": before["metadata"]["resourceVersion"]}
        return await self.wire.patch(ref.resource, ref.namespace, ref.name, patch)


def _labels(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def holds(stored: Any, wanted: Any) -> bool:
    """Whether the server kept everything that was wanted; it may add defaults."""
    if isinstance(wanted, dict):
        return isinstance(stored, dict) and all(holds(stored.get(key), part) for key, part in wanted.items())
    if isinstance(wanted, list):
        return isinstance(stored, list) and len(stored) == len(wanted) and all(map(holds, stored, wanted))
    return bool(stored == wanted)


@pytest.mark.parametrize("make", ALL)
async def test_each_write_of_an_update_is_accepted_and_kept_whole(wire: Wire, make: Callable[[], Users]) -> None:
    cluster = Cluster(wire, make())
    await cluster.clear()
    await cluster.make()
    recorded, written = None, 0
    for step in COURSE:
        wanted = said(step, cluster.made.rest.get("maxTrafficWeight", 100))
        for edit, before in await cluster.edits(recorded, wanted):
            stored = await cluster.write(edit, before)
            written += 1
            if edit.want is not None:
                named = {key: part for key, part in edit.want["metadata"].items() if key in ("annotations", "labels")}
                assert holds(stored, {"spec": edit.want["spec"], "metadata": named})
        left = [edit for edit, _ in await cluster.edits(recorded, wanted) if edit.want is not None]
        assert left == [], "with the server's defaults it still says the same"
        recorded = status(step)
    assert written >= 3
    await cluster.clear()


@pytest.mark.parametrize("make", ALL)
async def test_a_write_to_what_somebody_changed_meanwhile_is_refused(wire: Wire, make: Callable[[], Users]) -> None:
    cluster = Cluster(wire, make())
    await cluster.clear()
    await cluster.make()
    for edit, before in await cluster.edits(None, said({"canary": 0})):
        await cluster.write(edit, before)
    changed = [(edit, before) for edit, before in await cluster.edits(None, said({"canary": 20})) if before is not None]
    for edit, before in changed:
        ref = edit.ref
        note = {"metadata": {"annotations": {"theirs": "kept"}}}
        await wire.patch(ref.resource, ref.namespace, ref.name, note)
        with pytest.raises(ApiError) as refused:
            await cluster.write(edit, before)
        assert refused.value.reason == "Conflict"
    for edit, before in await cluster.edits(None, said({"canary": 20})):
        await cluster.write(edit, before)
        if before is not None:
            found = await cluster.find(edit.ref)
            assert found is not None
            assert found["metadata"]["annotations"]["theirs"] == "kept"
    assert changed or cluster.made.dialect == "ambassador", "an Ambassador canary Mapping is made with its first share"
    await cluster.clear()
