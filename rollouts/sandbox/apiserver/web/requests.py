"""Pure. What an HTTP request asks of the API: which object, with which options, and how it wants the answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rollouts.sandbox.apiserver.refusals import (
    bad_request,
    bad_value,
    forbidden_field,
    no_such_resource,
    too_long,
    unsupported,
    wrong_option,
)
from rollouts.sandbox.apiserver.types.registry import Registry, Served

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
    """In which shape and language a client takes its answer. The empty shape is the object itself."""

    shape: Shape = ""
    version: str = "v1"
    yaml: bool = False


_QUALITY = re.compile(r";\s*q=([\d.]+)")


def _quality(choice: str) -> float:
    """How much a client likes an answer of this form, between 0 and 1."""
    said = _QUALITY.search(choice)
    return float(said[1]) if said else 1.0


def form_of(accept: str) -> Form | None:
    """The best liked form in an Accept header that the sandbox can give, None when there is none."""
    choices = sorted((accept or "*/*").split(","), key=_quality, reverse=True)
    for choice in choices:
        media, *pairs = (part.strip() for part in choice.split(";"))
        wants = dict(pair.partition("=")[::2] for pair in pairs)
        if media not in ("application/json", "*/*", "application/yaml"):
            continue
        shape, in_yaml = wants.get("as", "").removesuffix("List"), media == "application/yaml"
        if not shape:
            return Form(yaml=in_yaml)
        if wants.get("g") != "meta.k8s.io" or wants.get("v") not in _META_VERSIONS:
            continue
        if shape == "Table":
            return Form("Table", wants["v"], in_yaml)
        if shape == "PartialObjectMetadata":
            return Form("PartialObjectMetadata", wants["v"], in_yaml)
    return None


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of the query as API servers read it: present and not 0 or false."""
    return name in query and query[name].lower() not in ("0", "false")


def whole_number(query: Mapping[str, str], name: str) -> int:
    """A number of the query, 0 when absent or negative; Refused (400) when it is none."""
    text = query.get(name, "")
    if text.startswith("-") and text[1:].isdigit():
        return 0
    if text and not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax: query parameter {name}')
    return int(text or 0)


def is_dry_run(asked: Sequence[str], kind: str) -> bool:
    """Whether `dryRun` asks for a write without effect. Invalid when it is anything but All. `kind`: of the options."""
    if asked and [*asked] != ["All"]:
        raise wrong_option(kind, unsupported("dryRun", [*asked], ["All"]))
    return bool(asked)


_LONGEST_MANAGER = 128


def manager_of(query: Mapping[str, str], user_agent: str, kind: str) -> str:
    """The field manager of a write: as named, else the program's name in the User-Agent. Invalid for no fit name."""
    named = query.get("fieldManager", "")
    if len(named.encode()) > _LONGEST_MANAGER:
        raise wrong_option(kind, too_long("fieldManager", _LONGEST_MANAGER))
    at = next((at for at, each in enumerate(named) if not each.isprintable()), None)
    if at is not None:
        text = f"invalid character U+{ord(named[at]):04X} (at position {at})"
        raise wrong_option(kind, bad_value("fieldManager", named, text))
    return named or user_agent.split("/", 1)[0][:_LONGEST_MANAGER] or "unknown"


def check_version_asked(query: Mapping[str, str]) -> None:
    """Invalid when a list asks for a version in a way that there is not."""
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    if match not in ("", "Exact", "NotOlderThan"):
        known = ["Exact", "NotOlderThan", ""]
        raise wrong_option("ListOptions", unsupported("resourceVersionMatch", match, known))
    if match == "Exact" and version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise wrong_option("ListOptions", forbidden_field("resourceVersionMatch", text))
