"""Files and folders become documents that know on which line each of their fields stands."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from analysis.schema import Obj

Steps = Sequence[str | int]
"""The way to a field: names and indices, from the document's root."""

_ENDINGS = (".yaml", ".yml", ".json")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unreadable(Exception):
    """A path that is given is no file or folder that can be read. The text is for the user."""


@dataclass(frozen=True)
class Document:
    """One YAML document that is a Kubernetes object. `path` is as the user gave it."""

    path: str
    obj: Obj
    node: yaml.MappingNode = field(repr=False, compare=False)

    @property
    def kind(self) -> str:
        """Its kind, with the group where the group is Argo Rollouts'."""
        return str(self.obj.get("kind", ""))

    @property
    def ours(self) -> bool:
        """Whether it is of the API of Argo Rollouts."""
        return str(self.obj.get("apiVersion", "")).startswith("argoproj.io/")

    @property
    def name(self) -> str:
        """Its name, "" without one."""
        return str(_metadata(self.obj).get("name") or "")

    @property
    def namespace(self) -> str:
        """Its namespace, "" where the manifest leaves it open."""
        return str(_metadata(self.obj).get("namespace") or "")

    def line(self, *steps: str | int) -> int:
        """The line, counted from 1, of the field at `steps`; of the nearest field around it where it is absent."""
        node: yaml.Node = self.node
        line = node.start_mark.line
        for step in steps:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line + 1


@dataclass(frozen=True)
class BadYaml:
    """A document that is no YAML, or whose root is no mapping."""

    path: str
    line: int
    text: str


def read(paths: Iterable[str]) -> tuple[tuple[Document, ...], tuple[BadYaml, ...]]:
    """Every document under `paths`, in the order given, and what cannot be read of them. Unreadable for a path."""
    documents: list[Document] = []
    bad: list[BadYaml] = []
    for path in _files(paths):
        for one in _documents(path):
            documents.append(one) if isinstance(one, Document) else bad.append(one)
    return tuple(documents), tuple(bad)


def steps_of(path: str) -> tuple[str | int, ...]:
    """The way to a field from its path as messages write it: `spec.steps[0].pause`."""
    steps: list[str | int] = []
    for part in path.replace("[", ".[").split("."):
        if part.startswith("[") and part.endswith("]") and part[1:-1].isdecimal():
            steps.append(int(part[1:-1]))
        elif part:
            steps.append(part)
    return tuple(steps)


def _metadata(obj: Obj) -> Obj:
    metadata = obj.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _files(paths: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for given in paths:
        for path in _within(given):
            if path not in seen:
                seen.add(path)
                yield path


def _within(given: str) -> list[str]:
    path = Path(given)
    if path.is_dir():
        return sorted(str(one) for one in path.rglob("*") if one.suffix in _ENDINGS and one.is_file())
    if path.exists():
        return [given]
    raise Unreadable(f"{given}: no such file or folder")


def _documents(path: str) -> Iterator[Document | BadYaml]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield BadYaml(path, 1, str(error))
        return
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            yield from _constructed(path, node)
    except yaml.YAMLError as error:
        yield BadYaml(path, _line(error), _text(error))


def _constructed(path: str, node: yaml.Node) -> Iterator[Document | BadYaml]:
    """One document; a fault in it leaves the file's other documents alone."""
    try:
        obj = _Construct().construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        line = _line(error) if isinstance(error, yaml.YAMLError) else node.start_mark.line + 1
        yield BadYaml(path, line, _text(error))
        return
    if obj is None:
        return
    if not isinstance(obj, dict) or not isinstance(node, yaml.MappingNode):
        yield BadYaml(path, node.start_mark.line + 1, "a manifest must be a mapping with apiVersion and kind")
    elif obj.get("kind") == "List" and isinstance(obj.get("items"), list):
        yield from _items(path, obj, node)
    else:
        yield Document(path, obj, node)


def _items(path: str, obj: Obj, node: yaml.MappingNode) -> Iterator[Document]:
    found = _child(node, "items")
    nodes = found[1].value if found else []
    for item, each in zip(obj["items"], nodes, strict=True):
        if isinstance(item, dict):
            yield Document(path, item, each)


class _Construct(yaml.constructor.SafeConstructor):
    """What SafeLoader makes of nodes, but for dates: Kubernetes reads those as text."""


def _as_text(construct: yaml.constructor.SafeConstructor, node: yaml.ScalarNode) -> str:
    return str(construct.construct_scalar(node))


_Construct.yaml_constructors = _Construct.yaml_constructors | {"tag:yaml.org,2002:timestamp": _as_text}


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    """The line of a field within a node, counted from 0, and the field's own node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _line(error: yaml.YAMLError) -> int:
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return mark.line + 1 if mark is not None else 1


def _text(error: Exception) -> str:
    text = str(getattr(error, "problem", None) or error)
    return f"{text}: quote a value that begins with a brace" if "unhashable" in text else text
