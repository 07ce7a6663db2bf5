"""Pure. What the API server says when it refuses: each refusal as the exception with Kubernetes' own words."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rollouts.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Gone,
    Invalid,
    NotFound,
    Refused,
    TooManyRequests,
    error_from,
)
from rollouts.kube.refs import Obj, Resource

OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why an object is invalid: the field's path, the machine word, and the sentence after the path."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def shown(value: Any) -> str:
    """A value as Kubernetes prints it in an error: strings quoted, everything else as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def required(field: str, detail: str = "") -> Cause:
    return Cause(field, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def bad_value(field: str, value: Any, detail: str) -> Cause:
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}")


def bad_type(field: str, actual: str, expected: str) -> Cause:
    detail = f'Invalid value: "{actual}": {field} in body must be of type {expected}: "{actual}"'
    return Cause(field, "FieldValueTypeInvalid", detail)


def forbidden_field(field: str, detail: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {detail}")


def unsupported(field: str, value: Any, allowed: Iterable[Any]) -> Cause:
    values = ", ".join(shown(one) for one in allowed)
    return Cause(field, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {values}")


def duplicate(field: str, value: Any) -> Cause:
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def too_long(field: str, limit: int) -> Cause:
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> Cause:
    return Cause(field, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")


def collection(resource: Resource) -> str:
    """The name of a resource as messages spell it: `rollouts.argoproj.io`, `pods`."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _details(resource: Resource, name: str) -> dict[str, Any]:
    return {"name": name, "group": resource.group, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> NotFound:
    return NotFound(f'{collection(resource)} "{name}" not found', details=_details(resource, name))


def no_such_resource() -> NotFound:
    return NotFound("the server could not find the requested resource")


def already_exists(resource: Resource, name: str) -> AlreadyExists:
    return AlreadyExists(f'{collection(resource)} "{name}" already exists', details=_details(resource, name))


def conflict(resource: Resource, name: str, because: str = OBJECT_MODIFIED) -> Conflict:
    text = f'Operation cannot be fulfilled on {collection(resource)} "{name}": {because}'
    return Conflict(text, details=_details(resource, name))


def another_object(resource: Resource, obj: Obj, uid: str) -> Conflict:
    """409 of a PUT that is meant for an object with another uid."""
    metadata = obj["metadata"]
    group = f"{resource.group}/" if "." in resource.group else ""
    key = "/".join(filter(None, (f"/registry/{group}{resource.plural}", metadata.get("namespace"), metadata["name"])))
    failed = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
    storage = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {failed}"
    return conflict(resource, metadata["name"], storage)


def precondition_failed(resource: Resource, name: str, because: str) -> Conflict:
    """409 of a DELETE whose precondition does not hold; it names the kind, not the resource."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {"name": name, "group": resource.group, "kind": resource.kind}
    return Conflict(f'Operation cannot be fulfilled on {kind} "{name}": {because}', details=details)


def invalid(resource: Resource, name: str, causes: Sequence[Cause], *, kind: str = "") -> Invalid:
    """422. Several causes are told in brackets, as the API server does, each once; the details list them all.

    `kind`: what to call the object, where that is not its kind.
    """
    unique = list(dict.fromkeys(causes))
    text = str(unique[0]) if len(unique) == 1 else "[" + ", ".join(map(str, unique)) + "]"
    kind = kind or resource.kind
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    details = {"name": name, "group": resource.group, "kind": kind, "causes": listed}
    full = f"{kind}.{resource.group}" if resource.group else kind
    return Invalid(f'{full} "{name}" is invalid: {text}', details=details)


def wrong_option(kind: str, cause: Cause) -> Invalid:
    """422 of a request whose options cannot be meant. `kind`: CreateOptions, DeleteOptions and their like."""
    return invalid(Resource("meta.k8s.io", "v1", kind.lower(), kind), "", [cause])


def bad_request(message: str) -> Refused:
    return Refused(message, code=400, reason="BadRequest")


def forbidden(resource: Resource, name: str, because: str, causes: Sequence[Cause] = ()) -> Refused:
    text = f'{collection(resource)} "{name}" is forbidden: {because}'
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    details = _details(resource, name) | ({"causes": listed} if listed else {})
    return Refused(text, code=403, reason="Forbidden", details=details)


def method_not_allowed() -> Refused:
    return Refused(
        "the server does not allow this method on the requested resource", code=405, reason="MethodNotAllowed"
    )


def unsupported_media_type(accepted: Iterable[str]) -> Refused:
    text = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return Refused(text, code=415, reason="UnsupportedMediaType")


def too_many_requests(message: str, cause: str, retry_after: int = 0) -> TooManyRequests:
    """429 of an eviction; `cause` says which disruption budget is in the way, and why."""
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    return TooManyRequests(message, details=details)


def expired(version: int, floor: int) -> Gone:
    return Gone(f"too old resource version: {version} ({floor})")


def too_new(version: int, current: int) -> ApiError:
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
    return error_from(504, "Timeout", f"Too large resource version: {version}, current: {current}", details)
