"""What an API server answers, written down so that two of them can be compared."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import yaml

from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.refs import CRD, NAMESPACE, Obj, Resource
from rollouts.kube.wire import Wire
from tests.cluster.door import FORMS, Answer, Door

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_ADDRESS = re.compile(r"\b10\.\d+\.\d+\.\d+\b")
_VERSIONS = re.compile(
    r"(resourceVersion\\?\":\\?\"|resource version: |ResourceVersion in (?:precondition|object meta): |"
    r"ResourceVersion in record \()"
    r"\d+( \(\d+\)|, current: \d+)?"
)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NODE_PORT = re.compile(r":3\d{4}\b")
_AGE = re.compile(r"\d+s")
_GENERATED = re.compile(r"^(.*-)[a-z0-9]{5}$")


class Recorder:
    """Calls of one scenario in a namespace of its own. A refusal is an answer like any other, and does not raise."""

    def __init__(self, wire: Wire, name: str, door: Door) -> None:
        self.wire = wire
        self.door = door
        self.namespace = name
        self.group = f"{name}.example.com"
        self.steps: list[Obj] = []
        self._uids: dict[str, str] = {}

    async def begin(self) -> None:
        await self.wire.create(NAMESPACE, "", {"metadata": {"name": self.namespace}})

    # ── the verbs ──

    async def create(self, resource: Resource, obj: Obj, **options: Any) -> Obj:
        return await self._call("create", resource, self._in(resource), _kinded(resource, obj, options), **options)

    async def get(self, resource: Resource, name: str, **options: Any) -> Obj:
        return await self._call("get", resource, self._in(resource), name, **options)

    async def replace(self, resource: Resource, name: str, obj: Obj, **options: Any) -> Obj:
        return await self._call(
            "replace", resource, self._in(resource), name, _kinded(resource, obj, options), **options
        )

    async def patch(self, resource: Resource, name: str, patch: Any, **options: Any) -> Obj:
        return await self._call("patch", resource, self._in(resource), name, patch, **options)

    async def delete(self, resource: Resource, name: str, **options: Any) -> Obj:
        return await self._call("delete", resource, self._in(resource), name, **options)

    async def list(self, resource: Resource, **options: Any) -> Obj:
        return await self._call("list", resource, self._in(resource), **options)

    def _in(self, resource: Resource) -> str:
        return self.namespace if resource.namespaced else ""

    async def _call(self, verb: str, resource: Resource, *args: Any, show: str = "", **options: Any) -> Obj:
        said = next((arg for arg in args[1:] if isinstance(arg, str)), "") or _name(args[-1])
        asked = " ".join(filter(None, [verb, resource.plural, said, options.get("subresource", "")]))
        try:
            answer = await getattr(self.wire, verb)(resource, *args, **options)
        except ApiError as error:
            told: Obj = {"code": error.code, "reason": error.reason, "message": error.message, "details": error.details}
            self._note(asked, {"refused": told})
            return {}
        if verb == "list":
            self._note(asked, {"items": [each["metadata"]["name"] for each in answer.items]})
            return {"items": answer.items, "metadata": {"resourceVersion": answer.resource_version}}
        self._note(asked, {"answer": _at(answer, show)})
        return dict(answer)

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, quiet: bool = False, user: str = "", **form: str
    ) -> Answer:
        """A bare request, written down unless it is `quiet`. `form`: `accept` and `media`."""
        answer = await self.door.ask(method, path, body, user=user, **form)
        if not quiet:
            words = [method, path, *(FORMS.get(one, one) for one in form.values()), user]
            self._note(" ".join(filter(None, words)), {"told": answer.told()})
        return answer

    async def granted(self, path: str, user: str) -> None:
        """Wait until somebody may see a path: an API server takes a moment to hear of roles."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.door.ask("GET", path, user=user)
                if answer.status != 403:
                    return
                await asyncio.sleep(0.05)  # bounded by the timeout above

    # ── custom resources ──

    async def define(self, definition: Obj) -> Resource:
        """Create a definition in the scenario's own group, and wait until its first version is served."""
        spec = {**definition["spec"], "group": self.group}
        name = f"{spec['names']['plural']}.{self.group}"
        await self.wire.create(CRD, "", {"metadata": {"name": name}, "spec": spec})
        version = spec["versions"][0]["name"]
        namespaced = spec["scope"] == "Namespaced"
        resource = Resource(self.group, version, spec["names"]["plural"], spec["names"]["kind"], namespaced)
        await served(self.wire, resource)
        return resource

    async def pause(self) -> None:
        """Give the server a moment for what it does in its own time."""
        await asyncio.sleep(0.05)

    # ── writing down ──

    def note(self, what: str, value: Any) -> None:
        """Something else that was seen."""
        self._note(what, {"seen": value})

    def _note(self, asked: str, seen: Obj) -> None:
        """Uids are numbered anew in every step: which of them are the same is seen within one answer."""
        self._uids.clear()
        self.steps.append(self._plain({"asked": asked, **json.loads(json.dumps(seen))}))

    def _plain(self, value: Any, key: str = "") -> Any:
        """Without what differs from run to run."""
        if isinstance(value, dict):
            named = _generated(value)
            left_out = {"managedFields", "storageVersionHash"} | ({"description"} if "priority" in named else set())
            return {self._text(k): self._plain(v, k) for k, v in named.items() if k not in left_out}
        if isinstance(value, list):
            # Owners of fields stand in a map of the API server: it names them in an order of chance.
            by_chance = key == "causes" and all(each.get("reason") == "FieldManagerConflict" for each in value)
            told = sorted(value, key=lambda cause: (cause["message"], cause["field"])) if by_chance else value
            return [self._plain(each, key) for each in told]
        if key == "resourceVersion":
            return "<version>"
        if key == "nodePort":
            return "<port>"
        if key == "cells" and isinstance(value, str):
            value = _NODE_PORT.sub(":<port>", _AGE.sub("<age>", value))
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = text.replace(self.group, "<group>").replace(self.namespace, "<namespace>")
        text = _UID.sub(lambda found: self._uids.setdefault(found[0], f"<uid {len(self._uids) + 1}>"), text)
        text = _VERSIONS.sub(lambda found: found[1] + re.sub(r"\d+", "<version>", found[0][len(found[1]) :]), text)
        return _ADDRESS.sub("<address>", _TIME.sub("<time>", text))


async def served(wire: Wire, resource: Resource) -> None:
    """Wait until a custom resource is served: an API server takes a moment after its definition is accepted."""
    async with asyncio.timeout(60):
        while True:
            try:
                await wire.list(resource, "")
            except NotFound:
                await asyncio.sleep(0.05)  # bounded by the timeout above
            else:
                return


def _kinded(resource: Resource, obj: Obj, options: Obj) -> Obj:
    """The object with its kind, which custom resources have to name; `bare=True` sends it as it is."""
    if options.pop("bare", False) or options.get("subresource"):
        return obj
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}


def _name(body: Any) -> str:
    metadata = body.get("metadata") if isinstance(body, dict) else None
    return str(metadata.get("name") or metadata.get("generateName") or "") if isinstance(metadata, dict) else ""


def _generated(obj: Obj) -> Obj:
    """An object with a generated name gets one that says so."""
    if isinstance(obj.get("generateName"), str) and (found := _GENERATED.match(str(obj.get("name")))):
        return {**obj, "name": f"{found[1]}<5>"}
    return obj


def _at(answer: Obj, path: str) -> Any:
    """The part of an answer that a dotted path leads to; "" for all of it."""
    for part in filter(None, path.split(".")):
        answer = answer[int(part)] if isinstance(answer, list) else answer.get(part, {})
    return answer


def differences(sandbox: list[Obj], real: list[Obj]) -> Obj:
    """What the first says where the second says something else, by step and field; "(nothing)" where it is silent."""
    mine, theirs = _flat(sandbox), _flat(real)
    paths = sorted(
        path for path in mine.keys() | theirs.keys() if mine.get(path, _NOTHING) != theirs.get(path, _NOTHING)
    )
    return {path: mine.get(path, _NOTHING) for path in paths}


_NOTHING = "(nothing)"


def _flat(steps: list[Obj]) -> Obj:
    """Every value by its path, which begins with the number of the step and what was asked in it."""
    found: Obj = {}
    for number, step in enumerate(steps):
        for part, value in step.items():
            if part != "asked":
                _spread(value, f"{number} {step['asked']} | {part}", found)
    return found


def _spread(value: Any, path: str, found: Obj) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _spread(inner, f"{path}.{key}", found)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            _spread(inner, f"{path}[{number}]", found)
    else:
        found[path] = value


def read(path: Path) -> Obj:
    """Transcripts, or differences, by scenario."""
    return dict(yaml.load(path.read_text(), Loader=_LOADER)) if path.exists() else {}


class _Block(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(path: Path, transcripts: Obj) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(transcripts, Dumper=_Block, sort_keys=True, width=140))
