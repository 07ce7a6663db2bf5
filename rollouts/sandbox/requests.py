"""Pure. What an HTTP request asks of the API: which object, with which options, and how it wants the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rollouts.sandbox.refusals import bad_request, no_such_resource
from rollouts.sandbox.registry import Registry, Served

Shape: TypeAlias = Literal["", "Table", "PartialObjectMetadata"]
_META_VERSIONS = ("v1", "v1beta1")


@dataclass(frozen=True, slots=True)
class Target:
    """What a path points to: a collection (no name), an object, or one of its subresources."""

    served: Served
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def target_of(path: str, registry: Registry) -> Target:
    """Read `/api/v1/...` and `/apis/<group>/<version>/...`. NotFound for a resource that is not served."""
    parts = [part for part in path.split("/") if part]
    group, version, rest = ("", *_head(parts[1:])) if parts[0] == "api" else _head_of_group(parts[1:])
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        raise no_such_resource()
    served = registry.at(group, version, rest[0])
    name, subresource = (*rest[1:], "", "")[:2]
    if namespace and not served.resource.namespaced:
        raise no_such_resource()
    if subresource and subresource not in served.subresources | _ALWAYS.get(served.key, frozenset()):
        raise no_such_resource()
    return Target(served, namespace, name, subresource)


_ALWAYS = {("", "pods"): frozenset({"log", "exec", "attach", "portforward", "proxy", "ephemeralcontainers"})}
UNSERVED = _ALWAYS[("", "pods")]
"""Subresources of pods that need containers; the pods of the sandbox are none, and it says so."""


def _head(parts: list[str]) -> tuple[str, list[str]]:
    if not parts:
        raise no_such_resource()
    return parts[0], parts[1:]


def _head_of_group(parts: list[str]) -> tuple[str, str, list[str]]:
    if len(parts) < 2:
        raise no_such_resource()
    return parts[0], parts[1], parts[2:]


@dataclass(frozen=True, slots=True)
class Form:
    """In which shape a client takes its answer. The empty shape is the object itself."""

    shape: Shape = ""
    version: str = "v1"


def form_of(accept: str) -> Form | None:
    """The first acceptable form in an Accept header that the sandbox can give, None when there is none."""
    for choice in (accept or "*/*").split(","):
        media, *pairs = (part.strip() for part in choice.split(";"))
        wants = dict(pair.partition("=")[::2] for pair in pairs)
        if media not in ("application/json", "application/*", "*/*", "application/yaml"):
            continue
        shape = wants.get("as", "").removesuffix("List")
        if not shape:
            return Form()
        if wants.get("g") != "meta.k8s.io" or wants.get("v") not in _META_VERSIONS:
            continue
        if shape == "Table":
            return Form("Table", wants["v"])
        if shape == "PartialObjectMetadata":
            return Form("PartialObjectMetadata", wants["v"])
    return None


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of the query as API servers read it: present and not 0 or false."""
    return name in query and query[name].lower() not in ("0", "false")


def whole_number(query: Mapping[str, str], name: str) -> int:
    """A number of the query, 0 when absent; Refused (400) when it is none."""
    text = query.get(name, "")
    if text and not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax: query parameter {name}')
    return int(text or 0)


def is_dry_run(asked: str) -> bool:
    """Whether a `dryRun` parameter or option asks for a write without effect. Refused when it is neither All nor ""."""
    if asked not in ("", "All"):
        raise bad_request(f'Invalid value: "{asked}": dryRun: supported values: "All"')
    return asked == "All"


def manager_of(query: Mapping[str, str], user_agent: str) -> str:
    """The field manager of a write: as named, else the program's name in the User-Agent."""
    return (query.get("fieldManager") or user_agent.split("/", 1)[0] or "unknown")[:128]
