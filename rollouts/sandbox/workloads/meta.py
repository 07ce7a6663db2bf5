"""Pure. What all controllers read from an object's metadata."""

from typing import TypeAlias

from rollouts.kube.refs import Obj, controller_of, name_of, namespace_of, uid_of

Key: TypeAlias = tuple[str, str]
"""A namespace ("" when cluster-scoped) and a name."""


def key_of(obj: Obj) -> Key:
    return namespace_of(obj), name_of(obj)


def is_deleting(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def owner_reference(owner: Obj) -> Obj:
    """The reference by which an object says that this owner controls it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controlling_key(obj: Obj, kind: str) -> Key | None:
    """The key of the object's controller, if that is of this kind."""
    owner = controller_of(obj)
    return (namespace_of(obj), str(owner["name"])) if owner is not None and owner["kind"] == kind else None


def condition(obj: Obj, type: str) -> Obj | None:
    """The condition of this type in an object's status."""
    conditions: list[Obj] = (obj.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == type), None)
