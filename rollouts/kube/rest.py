"""Pure. The Kubernetes REST API in bytes: what a request looks like, and how to read an answer or a line of a watch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, urlencode

from pydantic_core import from_json

from rollouts.kube.errors import ApiError, Unreachable, error_from
from rollouts.kube.refs import Obj, Resource
from rollouts.kube.wire import WatchEvent

Query: TypeAlias = list[tuple[str, str]]

METHODS = {
    "Get": "GET",
    "List": "GET",
    "Watch": "GET",
    "Create": "POST",
    "Update": "PUT",
    "Patch": "PATCH",
    "Delete": "DELETE",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a verb on a resource or an object. `called` is the name of what it creates."""

    verb: str
    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""
    query: Query | tuple[()] = ()
    media_type: str = "application/json"
    called: str = ""
    path: str = ""

    def url(self) -> str:
        """Path and query, encoded."""
        path = self.path or self.resource.path(quote(self.namespace), quote(self.name), self.subresource)
        return f"{path}?{urlencode(self.query)}" if self.query else path

    def __str__(self) -> str:
        return f"{METHODS[self.verb]} {self.path or self.resource.path(self.namespace, self.name, self.subresource)}"


def selectors(label_selector: str, field_selector: str) -> Query:
    """The query parameters of a list or watch that is not for everything."""
    both = (("labelSelector", label_selector), ("fieldSelector", field_selector))
    return [(key, value) for key, value in both if value]


def with_kind(resource: Resource, item: Obj) -> Obj:
    """An item of a list, with the kind and version that built-in lists say only once."""
    if "kind" not in item:
        item["apiVersion"], item["kind"] = resource.api_version, resource.kind
    return item


class Lines:
    """Cuts a stream of chunks into its lines, however long they are and wherever the chunks end."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes, without empty ones."""
        *ended, rest = chunk.split(b"\n")
        if ended:
            ended[0] = b"".join((*self._pieces, ended[0]))
            self._pieces.clear()
        if rest:
            self._pieces.append(rest)
        return [line for line in ended if line]


def watch_event(line: bytes) -> WatchEvent:
    """One line of a watch. Raises what an ERROR line says (Gone, above all), or Unreachable for what is no event."""
    try:
        said = from_json(line, cache_strings="all")
        kind, obj = said["type"], said["object"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"a watch said what is no event: {error}") from error
    if kind == "ERROR":
        raise error_from(int(obj.get("code") or 500), str(obj.get("reason", "")), str(obj.get("message", "")))
    return WatchEvent(kind, obj)


def refusal(status: int, content: bytes, headers: Mapping[str, str]) -> ApiError:
    """The exception for an answer of 400 or more. Only a Status of Kubernetes is quoted; other bodies may be secret."""
    try:
        said = from_json(content)
    except ValueError:
        said = None
    known = isinstance(said, dict) and said.get("kind") == "Status"
    answer: Obj = said if known else {"message": f"HTTP {status} without a Kubernetes Status"}
    details = dict(answer.get("details") or {})
    if headers.get("Retry-After", "").isdecimal():
        details["retryAfterSeconds"] = int(headers["Retry-After"])
    return error_from(status, str(answer.get("reason") or ""), str(answer.get("message") or ""), details)


def unreachable(call: Call, reason: str) -> Unreachable:
    """The exception for a request to which no answer came."""
    return Unreachable(f"{call}: {reason}")
