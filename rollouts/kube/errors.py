"""Pure. What an API server may refuse, as exceptions of our own.

    ApiError
    ├── NotFound        404: the object (or its kind) is not there
    ├── AlreadyExists   409 with reason AlreadyExists, on create
    ├── Conflict        409: the object changed since it was read
    ├── Gone            410: a watch or list cannot go on from that version; list anew
    ├── Invalid         422: the object breaks the schema or a validation rule
    ├── TooManyRequests 429: later, please; an eviction that a PodDisruptionBudget forbids
    ├── Refused         any other 4xx: 400, 401, 403, 405, 415
    └── Unreachable     no answer, a broken answer, or 5xx

Messages are the server's own, trimmed; a body that is not a Kubernetes Status is dropped, so that nothing secret
reaches a log.
"""

from typing import Any

_LONGEST = 1024


class ApiError(Exception):
    """A request that did not succeed. `code` is the HTTP status (0: no answer), `reason` Kubernetes' word for it."""

    code = 0
    reason = "Unknown"

    def __init__(self, message: str, *, code: int = 0, reason: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message[:_LONGEST])
        self.message = message[:_LONGEST]
        self.code = code or self.code
        self.reason = reason or self.reason
        self.details = details or {}


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class Gone(ApiError):
    code, reason = 410, "Expired"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    """`details.retryAfterSeconds`, where the server gave one, says how long to wait."""

    code, reason = 429, "TooManyRequests"


class Refused(ApiError):
    code, reason = 400, "BadRequest"


class Unreachable(ApiError):
    code, reason = 0, "Unreachable"


_BY_CODE: dict[int, type[ApiError]] = {404: NotFound, 410: Gone, 422: Invalid, 429: TooManyRequests}


def error_from(code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> ApiError:
    """The exception for an HTTP status and the reason in its Status body."""
    if code == 409:
        kind: type[ApiError] = AlreadyExists if reason == "AlreadyExists" else Conflict
    elif code >= 500 or code < 400:
        kind = Unreachable
    else:
        kind = _BY_CODE.get(code, Refused)
    return kind(message, code=code, reason=reason, details=details)


def is_kind_missing(error: Exception) -> bool:
    """Whether the whole kind is not there, and not one object of it: then the answer names none."""
    return isinstance(error, NotFound) and not error.details.get("name")
