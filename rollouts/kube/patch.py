"""Pure. Patches: the smallest merge patch between two objects, its application, and operations of JSON patches."""

from typing import Any

from rollouts.kube.refs import Obj


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values say the same. `True` is not `1`, but `1` is `1.0`; a null field is an absent field."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(one.get(key), other.get(key)) for key in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def merge_patch(old: Obj, new: Obj) -> Obj:
    """The smallest JSON merge patch that turns `old` into `new`; empty when they say the same.

    A field that is gone (or null) in `new` becomes null. Lists are replaced whole, as a merge patch knows no parts of
    them. Fields that both sides carry unchanged are never named, so that what others write beside us survives.
    """
    patch: Obj = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if same(before, after):
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            patch[key] = merge_patch(before, after)
        else:
            patch[key] = after
    return patch


def apply_merge(target: Any, patch: Any) -> Any:
    """`target` with a JSON merge patch (RFC 7386) applied. Neither argument is changed; unchanged parts are shared."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_merge(result.get(key), value)
    return result


def nested(value: Any, *path: str) -> Obj:
    """A merge patch with `value` at a path of fields: nested(1, "spec", "replicas") → {"spec": {"replicas": 1}}."""
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def pointer(*path: str | int) -> str:
    """A JSON pointer (RFC 6901) to a path of fields and list indexes; `~` and `/` in names are escaped."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def op_add(value: Any, *path: str | int) -> Obj:
    """The JSON patch operation that sets a field or inserts into a list."""
    return {"op": "add", "path": pointer(*path), "value": value}


def op_replace(value: Any, *path: str | int) -> Obj:
    """The JSON patch operation that replaces a field which must be there."""
    return {"op": "replace", "path": pointer(*path), "value": value}


def op_test(value: Any, *path: str | int) -> Obj:
    """The JSON patch operation that makes the whole patch conditional on a field's value (Invalid when it differs)."""
    return {"op": "test", "path": pointer(*path), "value": value}
