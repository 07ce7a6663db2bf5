"""Bodies of requests and answers: JSON and YAML in, Status, lists, tables and bare metadata out."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import yaml

from rollouts.kube.errors import ApiError
from rollouts.kube.refs import Obj
from rollouts.kube.wire import Listing
from rollouts.sandbox.apiserver.refusals import bad_request, unsupported_media_type
from rollouts.sandbox.apiserver.types.registry import Served
from rollouts.sandbox.apiserver.web import protobuf
from rollouts.sandbox.apiserver.web.printcolumns import builtin_columns
from rollouts.sandbox.apiserver.web.requests import Form
from rollouts.sandbox.apiserver.web.tables import Column, IncludeObject, custom_columns, partial, table

JSON_MEDIA = "application/json"
YAML_MEDIA = "application/yaml"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the C loader where there is one
    """YAML as Kubernetes reads it: what looks like a date stays a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(body: bytes, media: str, accepted: Sequence[str] = (JSON_MEDIA, YAML_MEDIA)) -> Any:
    """A request's body. Refused with 415 for another media type, with 400 when it cannot be read."""
    if media and media not in accepted:
        raise unsupported_media_type(accepted)
    try:
        in_yaml = media.endswith("yaml") and not body.lstrip().startswith(b"{")
        return yaml.load(body, Loader=_Loader) if in_yaml else json.loads(body)
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"error decoding the request body as {media or JSON_MEDIA}: {error}") from error


def read_object(body: bytes, media: str) -> Obj:
    """The same for a body that has to be an object, which may come as protobuf too."""
    if media == protobuf.MEDIA:
        return protobuf.decode(body)
    value = read(body, media, (JSON_MEDIA, YAML_MEDIA, protobuf.MEDIA))
    if not isinstance(value, dict):
        raise bad_request("the request body must be an object, with apiVersion and kind")
    return value


def write(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def write_yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True, encoding="utf-8")


def status_of(error: ApiError) -> Obj:
    """A refusal as the Status that goes over the wire."""
    status: Obj = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "code": error.code or 500,
    }
    if error.reason != ApiError.reason:  # to Kubernetes, an unknown reason is none
        status["reason"] = error.reason
    details = {key: value for key, value in error.details.items() if value not in ("", None)}
    return status | ({"details": details} if details else {})


def columns_of(served: Served) -> tuple[Column, ...]:
    if served.custom:
        return custom_columns(served.columns)
    return builtin_columns(served.resource.group, served.resource.plural)


def include_of(asked: str) -> IncludeObject:
    """What a table's rows carry of their objects. Refused (400) for a word that is none of the three."""
    if asked not in ("", "None", "Metadata", "Object"):
        raise bad_request(f'Invalid value: "{asked}": includeObject: must be None, Metadata or Object')
    return cast(IncludeObject, asked or "Metadata")


def one(served: Served, obj: Obj, form: Form, now: datetime, include: IncludeObject = "Metadata") -> Obj:
    """An object in the form the client asked for. What is no object of the resource, like a Status, stays as it is."""
    if not form.shape or obj.get("kind") != served.resource.kind:
        return obj
    if form.shape == "PartialObjectMetadata":
        return partial(obj) | {"apiVersion": f"meta.k8s.io/{form.version}"}
    metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    return _table(columns_of(served), [obj], now, metadata, form, include)


def many(served: Served, listing: Listing, form: Form, now: datetime, include: IncludeObject = "Metadata") -> Obj:
    """A list in the form the client asked for."""
    metadata = {"resourceVersion": listing.resource_version}
    if listing.continue_token:
        metadata["continue"] = listing.continue_token
    if form.shape == "Table":
        return _table(columns_of(served), listing.items, now, metadata, form, include)
    if form.shape == "PartialObjectMetadata":
        kind, version = "PartialObjectMetadataList", f"meta.k8s.io/{form.version}"
        return {"kind": kind, "apiVersion": version, "metadata": metadata, "items": [*map(partial, listing.items)]}
    resource = served.resource
    return {
        "kind": served.list_kind,
        "apiVersion": resource.api_version,
        "metadata": metadata,
        "items": listing.items,
    }


def _table(
    columns: Sequence[Column],
    objects: Iterable[Obj],
    now: datetime,
    metadata: Obj,
    form: Form,
    include: IncludeObject,
) -> Obj:
    made = table(columns, objects, now, metadata=metadata, include=include)
    return made | {"apiVersion": f"meta.k8s.io/{form.version}"}
