"""Pure. Strategic merge patch: a merge that knows which lists are sets of named things.

Directives: `$patch: replace | delete | merge`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`,
`$retainKeys`. Which list is merged, and by which key, is a property of the built-in types.
"""

from collections.abc import Sequence
from typing import Any

from rollouts.kube.refs import Obj
from rollouts.sandbox.refusals import bad_request

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
    """The object after the patch. Refused (400) for a directive that cannot be understood."""
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
            raise bad_request(f"Unknown patch directive: {other!r}, expected replace, delete or merge")
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
                result[name] = _ordered(result[name], order, merge_key(name, parent))
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
            raise bad_request(f"map: {item} does not contain declared merge key: {identity}")
        at = next((i for i, one in enumerate(result) if one.get(identity) == item[identity]), None)
        if directive == "delete":
            result = [one for one in result if one.get(identity) != item[identity]]
        elif at is None:
            result.append(_merge_map({}, item, field))
        else:
            result[at] = _merge_map(result[at], item, field)
    return result


def _drop_primitives(result: Obj, name: str, values: Sequence[Any]) -> None:
    if name in result:
        result[name] = [value for value in result[name] if value not in values]


def _ordered(items: list[Any], order: Sequence[Any], identity: str | None) -> list[Any]:
    """Items the patch names, in its order; those it does not know keep their place relative to what preceded them."""
    wanted = [entry.get(identity) if isinstance(entry, dict) else entry for entry in order]
    rank = {value: index for index, value in enumerate(wanted)}
    keys = [item.get(identity) if isinstance(item, dict) else item for item in items]
    named = sorted((i for i, key in enumerate(keys) if key in rank), key=lambda i: rank[keys[i]])
    result = [items[i] for i in named]
    for index, key in enumerate(keys):
        if key not in rank:
            before = next((items[i] for i in range(index - 1, -1, -1)), None)
            at = next((i for i, one in enumerate(result) if one is before), -1)
            result.insert(at + 1, items[index])
    return result
