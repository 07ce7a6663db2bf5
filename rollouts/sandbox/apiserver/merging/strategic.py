"""Pure. Strategic merge patch: a merge that knows which lists are sets of named things.

Directives: `$patch: replace | delete | merge`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`,
`$retainKeys`. Which list is merged, and by which key, is a property of the built-in types.
"""

from collections.abc import Sequence
from typing import Any

from rollouts.kube.errors import ApiError, error_from
from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.refusals import bad_request

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")

_MERGE_KEYS = {
    **dict.fromkeys(_CONTAINERS, "name"),
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "schedulingGates": "name",
    "resourceClaims": "name",
    "conditions": "type",
    "ownerReferences": "uid",
    "secrets": "name",
    "podIPs": "ip",
    "hostIPs": "ip",
    "addresses": "type",
}
_PRIMITIVE_SETS = frozenset({"finalizers"})
_ORDER, _DELETE_PRIMITIVE, _RETAIN, _PATCH = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys", "$patch"


def merge_key(field: str, parent: str) -> str | None:
    """The key by which the elements of list `field` (a field of `parent`) are told apart; None: replaced as a whole.

    `parent` is the nearest field name above: `containers` for the ports of a container, `spec` for a Service's.
    """
    if field == "ports":
        return "containerPort" if parent in _CONTAINERS else "port" if parent == "spec" else None
    return _MERGE_KEYS.get(field)


def strategic_merge(target: Obj, patch: Obj) -> Obj:
    """The object after the patch. An ApiError (400, 500) for a directive that cannot be understood."""
    return _merge_map(target, patch, "")


def _merge_map(target: Obj, patch: Obj, parent: str) -> Obj:
    match patch.get(_PATCH):
        case "replace":
            return {key: value for key, value in patch.items() if key != _PATCH}
        case "delete":
            return {}
        case None | "merge":
            pass
        case other:
            raise _failed(f"unknown patch type: {other} in map: {_as_go(patch)}")
    _check_directives(patch)
    result = _retained(target, patch)
    for key, value in patch.items():
        if key.startswith("$"):
            if key.startswith(_DELETE_PRIMITIVE):
                _drop_primitives(result, key.removeprefix(_DELETE_PRIMITIVE), value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value, key, parent)
    for key, order in patch.items():
        if key.startswith(_ORDER):
            name = key.removeprefix(_ORDER)
            if isinstance(result.get(name), list):
                result[name] = _ordered(result[name], target.get(name), order, merge_key(name, parent))
    return result


def _check_directives(patch: Obj) -> None:
    for key, value in patch.items():
        if key.startswith((_ORDER, _DELETE_PRIMITIVE, _RETAIN)) and not _is_plain_list(value):
            raise bad_request(f"{key} must be a list of keys or of objects with their merge key")


def _is_plain_list(value: Any) -> bool:
    """Whether every element can be told from the others: a word, a number, or an object of those."""
    if not isinstance(value, list):
        return False
    inner = [part for item in value for part in (item.values() if isinstance(item, dict) else (item,))]
    return not any(isinstance(part, dict | list) for part in inner)


def _retained(target: Obj, patch: Obj) -> Obj:
    keep = patch.get(_RETAIN)
    if keep is None:
        return dict(target)
    return {key: value for key, value in target.items() if key in keep}


def _merged(old: Any, new: Any, key: str, parent: str) -> Any:
    if isinstance(new, dict):
        return _merge_map(old if isinstance(old, dict) else {}, new, key)
    if not isinstance(new, list):
        return new
    if key in _PRIMITIVE_SETS:
        return [*(old or ()), *(item for item in new if item not in (old or ()))]
    identity = merge_key(key, parent)
    if identity is None:
        return new
    return _merge_list(old if isinstance(old, list) else [], new, identity, key)


def _merge_list(old: list[Obj], new: list[Obj], identity: str, field: str) -> list[Obj]:
    for item in new:
        if not isinstance(item, dict) or isinstance(item.get(identity), dict | list):
            raise bad_request(f"{field}: {item!r} is no object with the merge key {identity}")
    old = [item for item in old if isinstance(item, dict)]
    result = [] if any(item.get(_PATCH) == "replace" for item in new) else list(old)
    for item in new:
        directive = item.get(_PATCH)
        if directive == "replace":
            continue
        if identity not in item:
            raise _failed(f"map: {_as_go(item)} does not contain declared merge key: {identity}")
        at = next((i for i, one in enumerate(result) if one.get(identity) == item[identity]), None)
        if directive == "delete":
            result = [one for one in result if one.get(identity) != item[identity]]
        elif at is None:
            result.append(_merge_map({}, item, field))
        else:
            result[at] = _merge_map(result[at], item, field)
    patched = [item for item in new if item.get(_PATCH) not in ("replace", "delete")]
    return _ordered(result, old, patched, identity)


def _failed(text: str) -> ApiError:
    return error_from(500, "InternalError", text)


def _as_go(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_as_go(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_as_go, value))}]"
    return str(value).lower() if isinstance(value, bool) else "<nil>" if value is None else str(value)


def _drop_primitives(result: Obj, name: str, values: Sequence[Any]) -> None:
    if name in result:
        result[name] = [value for value in result[name] if value not in values]


def _ordered(items: list[Any], before: Any, order: Sequence[Any], identity: str | None) -> list[Any]:
    """Items that the patch names, in its order, merged with the others, which keep theirs: one of the others comes
    first where it preceded the patch's next one `before` the patch. So what is new comes before what the patch leaves.
    """
    wanted = [_key(entry, identity) for entry in order]
    places = {key: place for place, key in enumerate(wanted)}
    known = {_key(one, identity): place for place, one in enumerate(before if isinstance(before, list) else ())}
    named = sorted((one for one in items if _key(one, identity) in places), key=lambda one: places[_key(one, identity)])
    others = [one for one in items if _key(one, identity) not in places]
    result: list[Any] = []
    while named and others:
        mine, theirs = known.get(_key(others[0], identity)), known.get(_key(named[0], identity))
        first = mine is not None and theirs is not None and mine < theirs
        result.append((others if first else named).pop(0))
    return result + named + others


def _key(item: Any, identity: str | None) -> Any:
    return item.get(identity) if isinstance(item, dict) else item
