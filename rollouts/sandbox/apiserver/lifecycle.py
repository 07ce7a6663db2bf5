"""Pure. What an API server does to every object alike: system metadata, generations, finalizers, deletion."""

from dataclasses import dataclass
from typing import Any

from rollouts.kube.refs import Obj, Resource
from rollouts.kube.wire import Propagation
from rollouts.sandbox.apiserver.refusals import Cause, bad_request, bad_value, forbidden_field, invalid
from rollouts.sandbox.apiserver.types.registry import Served

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"

_SYSTEM = frozenset(
    {
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    }
)
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_OPEN_STATUS_DOORS = frozenset({"ReplicaSet", "Pod"})
"""Kinds whose status subresource lets labels, annotations and the like through, too."""
_NOT_ASKED_FOR = frozenset({"apiVersion", "kind", "metadata", "status"})


_FORMS: dict[str, type] = {
    **dict.fromkeys(("labels", "annotations"), dict),
    **dict.fromkeys(("finalizers", "ownerReferences", "managedFields"), list),
    **dict.fromkeys(("name", "generateName", "namespace", "uid", "resourceVersion"), str),
}


def check_form(obj: Any) -> None:
    """Refused (400) when this is no object, or its metadata not what every object has."""
    metadata = obj.get("metadata", {}) if isinstance(obj, dict) else None
    if not isinstance(metadata, dict):
        raise bad_request("the object provided is unrecognized: an object with metadata is expected")
    for key, form in _FORMS.items():
        if not isinstance(metadata.get(key), form | None):
            raise bad_request(f"json: cannot unmarshal {metadata[key]!r} into field metadata.{key}")


def check_addressed(served: Served, obj: Obj, namespace: str, name: str) -> None:
    """Refused (400) when the object says that it is another than the request addresses."""
    check_form(obj)
    resource = served.resource
    if obj.get("apiVersion", resource.api_version) != resource.api_version:
        text = f"the API version in the data ({obj['apiVersion']}) does not match the expected API version"
        raise bad_request(f"{text} ({resource.api_version})")
    if obj.get("kind", resource.kind) != resource.kind:
        raise bad_request(f"the kind in the data ({obj['kind']}) does not match the expected kind ({resource.kind})")
    metadata = obj.get("metadata") or {}
    if name and metadata.get("name", name) != name:
        text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        raise bad_request(text)
    if resource.namespaced and not namespace:
        raise bad_request("an empty namespace may not be set during creation")
    if (metadata.get("namespace") or namespace) != namespace and resource.namespaced:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_patched(served: Served, obj: Any, old: Obj) -> None:
    """Refused when a patch makes another object of this one: another name, namespace or, of custom resources, kind."""
    check_form(obj)
    metadata, kept, resource = obj.get("metadata") or {}, old["metadata"], served.resource
    if not metadata.get("name"):
        text = f"the name of the object ({kept['name']} based on URL) was undeterminable: name must be provided"
        raise bad_request(text)
    if metadata["name"] != kept["name"]:
        text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({kept['name']})"
        raise bad_request(text)
    if metadata.get("namespace", kept.get("namespace")) != kept.get("namespace"):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if served.custom:
        check_kind(resource, obj, kept["name"])


def check_kind(resource: Resource, obj: Obj, name: str) -> None:
    """Invalid (422) when an object of a custom resource calls itself something else."""
    kind, version = str(obj.get("kind") or ""), str(obj.get("apiVersion") or "")
    causes = []
    if version != resource.api_version:
        causes.append(bad_value("apiVersion", version, f"must be {resource.api_version}"))
    if kind != resource.kind:
        causes.append(bad_value("kind", kind, f"must be {resource.kind}"))
    if causes:
        group = version.rpartition("/")[0]
        raise invalid(Resource(group, resource.version, resource.plural, kind), name, causes)


@dataclass(frozen=True, slots=True)
class Birth:
    """What the server gives a new object."""

    namespace: str
    name: str
    uid: str
    time: str


def born(served: Served, obj: Obj, birth: Birth) -> Obj:
    """The new object: with its system metadata, without a status where that is a subresource."""
    given = obj.get("metadata") or {}
    metadata = {key: value for key, value in given.items() if key not in _SYSTEM and value not in (None, {}, [])}
    metadata["name"] = birth.name
    if served.resource.namespaced:
        metadata["namespace"] = birth.namespace
    else:
        metadata.pop("namespace", None)
    metadata["uid"] = birth.uid
    metadata["creationTimestamp"] = birth.time
    if served.generation:
        metadata["generation"] = 1
    result = {**obj, "apiVersion": served.resource.api_version, "kind": served.resource.kind, "metadata": metadata}
    if served.has_status:
        result.pop("status", None)
    return result


def named(given: Obj, old: Obj) -> Obj:
    """What a client sent in place of `old`, with the names and the uid that it may have left out."""
    metadata = given.get("metadata") or {}
    identity = {"name": old["metadata"]["name"], "uid": old["metadata"]["uid"]}
    return {**given, "apiVersion": old["apiVersion"], "kind": old["kind"], "metadata": {**metadata, **identity}}


def updated(served: Served, old: Obj, new: Obj, subresource: str = "") -> Obj:
    """What a write of `new` over `old` leaves: system metadata kept, the status written only through its subresource,
    the generation counted. The very `old` when nothing changes."""
    if subresource == "status":
        result = {**old, "status": new["status"]} if "status" in new else _without(old, "status")
        given = new.get("metadata") or {}
        if served.resource.kind in _OPEN_STATUS_DOORS:
            result["metadata"] = _metadata(old, new)
        elif given.get("managedFields") is not None:
            result["metadata"] = {**old["metadata"], "managedFields": given["managedFields"]}
        return old if result == old else result
    result = {**new, "apiVersion": old["apiVersion"], "kind": old["kind"], "metadata": _metadata(old, new)}
    if served.has_status:
        if "status" in old:
            result["status"] = old["status"]
        else:
            result.pop("status", None)
    if result == old:
        return old
    if served.generation and _asks_otherwise(served, old, result):
        result["metadata"]["generation"] = int(old["metadata"].get("generation", 0)) + 1
    return result


def _without(obj: Obj, *keys: str) -> Obj:
    return {key: value for key, value in obj.items() if key not in keys}


def _metadata(old: Obj, new: Obj) -> Obj:
    """Empty fields count as absent, but for managedFields: an empty list there asks to end all tracking."""
    kept, given = old["metadata"], new.get("metadata") or {}
    metadata = {key: given[key] for key in given if given[key] not in (None, {}, []) or key == "managedFields"}
    for key in (*_IMMUTABLE, "resourceVersion", "generation", "generateName"):
        if key in kept:
            metadata[key] = kept[key]
        else:
            metadata.pop(key, None)
    return metadata


def _asks_otherwise(served: Served, old: Obj, new: Obj) -> bool:
    """Whether a client asks for something else than before: any field that is neither metadata nor status."""
    ignored = _NOT_ASKED_FOR if served.has_status or not served.custom else _NOT_ASKED_FOR - {"status"}
    if any(old.get(key) != new.get(key) for key in old.keys() | new.keys() if key not in ignored):
        return True
    if served.resource.kind != "Deployment":
        return False
    return bool(old["metadata"].get("annotations") != new["metadata"].get("annotations"))


def check_metadata(old: Obj, given: Obj) -> list[Cause]:
    """What a write may not change in metadata: uid, namespace, and finalizers once the object is being deleted."""
    new, kept = given.get("metadata") or {}, old["metadata"]
    causes = [
        bad_value(f"metadata.{key}", new[key], "field is immutable")
        for key in ("uid", "namespace", "name")
        if new.get(key) and new[key] != kept.get(key)
    ]
    added = [name for name in new.get("finalizers") or () if name not in (kept.get("finalizers") or ())]
    if added and "deletionTimestamp" in kept:
        listed = "{" + ", ".join(f'"{name}"' for name in added) + "}"
        text = "no new finalizers can be added if the object is being deleted, found new finalizers []string" + listed
        causes.append(forbidden_field("metadata.finalizers", text))
    return causes


def finalizers_after(obj: Obj, propagation: Propagation | None, *, orphans_by_default: bool = False) -> list[str]:
    """The finalizers an object gets by being deleted in this manner; the garbage collector takes them off."""
    present: list[str] = obj["metadata"].get("finalizers") or []
    if propagation is None:
        if FOREGROUND in present or ORPHAN in present or not orphans_by_default:
            return present
        propagation = "Orphan"
    wanted = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(propagation)
    others = [name for name in present if name not in (FOREGROUND, ORPHAN)]
    return [*others, wanted] if wanted else others


def marked(obj: Obj, time: str, grace: int, finalizers: list[str]) -> Obj:
    """The object as one that is being deleted."""
    metadata = {**obj["metadata"], "deletionTimestamp": time, "deletionGracePeriodSeconds": grace}
    if "generation" in metadata and "deletionTimestamp" not in obj["metadata"]:
        metadata["generation"] += 1
    return with_finalizers({**obj, "metadata": metadata}, finalizers)


def with_finalizers(obj: Obj, finalizers: list[str]) -> Obj:
    metadata = _without(obj["metadata"], "finalizers")
    if finalizers:
        metadata["finalizers"] = finalizers
    return {**obj, "metadata": metadata}


def finished(obj: Obj) -> bool:
    """Whether nothing keeps a deleted object any longer: no finalizer, no grace period."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def grace_period(obj: Obj, asked: int | None) -> int:
    """Seconds a deleted object may go on living. Only pods that run somewhere get any."""
    if obj["kind"] != "Pod":
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    return int(spec.get("terminationGracePeriodSeconds", 30)) if asked is None else asked


def success(resource: Resource, obj: Obj) -> dict[str, Any]:
    """The Status that answers a DELETE when the object is gone at once."""
    metadata = obj["metadata"]
    details = {"name": metadata["name"], "kind": resource.plural, "uid": metadata["uid"]}
    if resource.group:
        details["group"] = resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
