"""Pure. Label and field selectors: parsed once, then asked of many objects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.refusals import bad_request

Operator: TypeAlias = Literal["in", "notin", "exists", "!", "gt", "lt"]
Labels: TypeAlias = Mapping[str, str]

_NO_LABELS: Labels = {}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand on one label. `!=` is `notin`, `=` is `in`; an absent label satisfies `notin` and `!`."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def met_by(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        if value is None or not _INTEGER.fullmatch(value):
            return False
        bound = int(next(iter(self.values)))
        return int(value) > bound if self.operator == "gt" else int(value) < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must be met; none selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels | None) -> bool:
        own = labels or _NO_LABELS
        return all(requirement.met_by(own) for requirement in self.requirements)

    def pinned(self) -> tuple[str, str] | None:
        """A label and the one value it must have, which an index can look up; None when there is no such demand."""
        for requirement in self.requirements:
            if requirement.operator == "in" and len(requirement.values) == 1:
                return requirement.key, next(iter(requirement.values))
        return None


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Demands on fields: (path, value, whether it must be equal or differ). A field that is absent reads ""."""

    terms: tuple[tuple[tuple[str, ...], str, bool], ...] = ()

    def matches(self, obj: Obj) -> bool:
        return all((_field(obj, path) == value) is equal for path, value, equal in self.terms)


EVERYTHING = LabelSelector()
ALL_FIELDS = FieldSelector()

_INTEGER = re.compile(r"-?[0-9]+")
_KEY = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUALITY = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_ORDER = re.compile(rf"({_KEY})\s*([<>])\s*(-?[0-9]+)")
_COMMA = re.compile(r",(?![^()]*\))")
_FIELD_TERM = re.compile(r"([^=!]+)(==|=|!=)(.*)")

_COMMON_FIELDS = frozenset({"metadata.name", "metadata.namespace"})
_KIND_FIELDS: dict[str, frozenset[str]] = {
    "Pod": frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        }
    ),
    "Event": frozenset(
        {f"involvedObject.{key}" for key in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")}
        | {"involvedObject.resourceVersion", "reason", "reportingComponent", "source", "type"}
    ),
    "Namespace": frozenset({"status.phase", "name"}),
    "Node": frozenset({"spec.unschedulable"}),
    "Job": frozenset({"status.successful"}),
    "Secret": frozenset({"type"}),
    "Service": frozenset({"spec.clusterIP", "spec.type"}),
}
_HOST_NETWORK = ("spec", "hostNetwork")
_NAMED_ONLY = frozenset({"ReplicaSet", "Deployment", "ConfigMap", "Endpoints", "Ingress", "Lease", "PodTemplate"})
_STORED_AS = {"status.successful": "status.succeeded", "name": "metadata.name", "source": "source.component"}


@lru_cache(maxsize=1024)
def parse_labels(text: str) -> LabelSelector:
    """A label selector as `-l` takes it: `a=b,c!=d,e in (f,g),h notin (i),j,!k`; Refused (400) when it is none."""
    if not text.strip():
        return EVERYTHING
    return LabelSelector(tuple(_requirement(part.strip()) for part in _COMMA.split(text)))


def _requirement(text: str) -> Requirement:
    if found := _EQUALITY.fullmatch(text):
        return Requirement(found[1], "notin" if found[2] == "!=" else "in", frozenset({found[3]}))
    if found := _SET.fullmatch(text):
        values = [value.strip() for value in found[3].split(",")]
        if all(re.fullmatch(_VALUE, value) for value in values):
            return Requirement(found[1], "in" if found[2] == "in" else "notin", frozenset(values))
    if found := _EXISTS.fullmatch(text):
        return Requirement(found[2], "!" if found[1] else "exists")
    if found := _ORDER.fullmatch(text):
        return Requirement(found[1], "gt" if found[2] == ">" else "lt", frozenset({found[3]}))
    raise bad_request(f'unable to parse requirement: "{text}" is not a label selector')


_OPERATORS: dict[str, Operator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def label_selector(spec: Obj | None) -> LabelSelector:
    """The selector that a `matchLabels`/`matchExpressions` object means; empty selects everything.

    Raises ValueError for an operator that Kubernetes does not know.
    """
    wanted = spec or {}
    equal = [Requirement(key, "in", frozenset({value})) for key, value in (wanted.get("matchLabels") or {}).items()]
    return LabelSelector((*equal, *map(_expression, wanted.get("matchExpressions") or ())))


def _expression(term: Obj) -> Requirement:
    operator = _OPERATORS.get(term.get("operator", ""))
    if operator is None:
        raise ValueError(f"{term.get('operator')!r} is not a valid label selector operator")
    return Requirement(term["key"], operator, frozenset(term.get("values") or ()))


@lru_cache(maxsize=1024)
def parse_fields(text: str, kind: str, extra: frozenset[str] = frozenset()) -> FieldSelector:
    """A field selector for objects of `kind`; Refused (400) for a field that cannot be selected by.

    `extra` are further paths, those a CustomResourceDefinition lists as selectableFields.
    """
    terms = [_field_term(part.strip(), kind, extra) for part in text.split(",") if part.strip()]
    return FieldSelector(tuple(terms)) if terms else ALL_FIELDS


def _field_term(text: str, kind: str, extra: frozenset[str]) -> tuple[tuple[str, ...], str, bool]:
    found = _FIELD_TERM.fullmatch(text)
    if found is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")
    path = found[1]
    if kind in _NAMED_ONLY and path not in _COMMON_FIELDS:
        text = f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        raise bad_request(text)
    if path not in _COMMON_FIELDS and path not in _KIND_FIELDS.get(kind, ()) and path not in extra:
        raise bad_request(f"field label not supported: {path}")
    return tuple(_STORED_AS.get(path, path).split(".")), found[3], found[2] != "!="


def _field(obj: Obj, path: tuple[str, ...]) -> str:
    value: Any = obj
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            return "false" if path == _HOST_NETWORK else ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource are meant: a namespace ("" for all), labels and fields."""

    namespace: str = ""
    labels: LabelSelector = EVERYTHING
    fields: FieldSelector = ALL_FIELDS

    def matches(self, obj: Obj) -> bool:
        metadata = obj["metadata"]
        if self.namespace and metadata.get("namespace") != self.namespace:
            return False
        if self.labels.requirements and not self.labels.matches(metadata.get("labels")):
            return False
        return not self.fields.terms or self.fields.matches(obj)
