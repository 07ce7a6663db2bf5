"""Pure. Faults of a manifest in Kubernetes' words: `<path>: <kind>[: <value>][: <detail>]`."""

import json
from typing import Any

from pydantic import BaseModel

from rollouts.api.gotypes import go_json

NOT_NEGATIVE = "must be greater than or equal to 0"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, BaseModel):
        return go_json(value.model_dump(mode="json", by_alias=True, exclude_none=True))
    if isinstance(value, tuple):
        return f"[{','.join(map(_shown, value))}]"
    return go_json(value)


def invalid(path: str, value: Any, detail: str) -> str:
    """A value that breaks a rule; text is quoted, models and dicts are shown as JSON."""
    return f"{path}: Invalid value: {_shown(value)}: {detail}"


def required(path: str, detail: str = "") -> str:
    """A value that is missing."""
    return f"{path}: Required value" + (f": {detail}" if detail else "")


def forbidden(path: str, detail: str) -> str:
    """A value that must not be there."""
    return f"{path}: Forbidden: {detail}"


def internal(path: str, detail: str) -> str:
    """A fault that is not in the value itself."""
    return f"{path}: Internal error: {detail}"


def unsupported(path: str, value: Any, supported: tuple[str, ...]) -> str:
    """A value that is not in a list of possible ones."""
    names = ", ".join(json.dumps(name) for name in supported)
    return f"{path}: Unsupported value: {_shown(value)}: supported values: {names}"


def duplicate(path: str, value: str) -> str:
    """A name that is taken."""
    return f"{path}: Duplicate value: {_shown(value)}"


def not_found(path: str, value: str) -> str:
    """A name of something that is not there."""
    return f"{path}: Not found: {_shown(value)}"
