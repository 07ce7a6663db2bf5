"""The API server's verbs on its store, one call after the other: what each write checks, changes and leaves.

Everything here is synchronous, so a verb is atomic: nobody sees half of it.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from analysis.schema import format_time
from rollouts.kube import refs
from rollouts.kube.refs import Obj
from rollouts.kube.wire import PatchType
from rollouts.sandbox.apiserver import lifecycle, refusals
from rollouts.sandbox.apiserver.addresses import Addresses
from rollouts.sandbox.apiserver.deletion import CRD_KEY, NAMESPACE_KEY, DeleteOptions, Deletion
from rollouts.sandbox.apiserver.eviction import check_form as check_eviction
from rollouts.sandbox.apiserver.eviction import evicted, verdict
from rollouts.sandbox.apiserver.merging.patches import json_patch, merge
from rollouts.sandbox.apiserver.merging.strategic import strategic_merge
from rollouts.sandbox.apiserver.scale import scale_of, scaled
from rollouts.sandbox.apiserver.selectors import Selection
from rollouts.sandbox.apiserver.store import Store
from rollouts.sandbox.apiserver.types import crds
from rollouts.sandbox.apiserver.types.admission import check, prepare
from rollouts.sandbox.apiserver.types.names import check_name
from rollouts.sandbox.apiserver.types.registry import POD_DISRUPTION_BUDGET, Registry, Served
from rollouts.sandbox.apiserver.types.strictness import mistyped, unknown_fields

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_BINDING = refs.Resource("", "v1", "pods/binding", "Binding")
_PATCH_OPTIONS = refs.Resource("meta.k8s.io", "v1", "patchoptions", "PatchOptions")
_CREATED = ("eviction", "binding")
_MADE_BY_REPLACING = frozenset({"Lease", "Endpoints", "Event", "Service"})
"""Kinds of which a PUT makes an object that is not there."""


class Ownership(Protocol):
    """Who owns which field (`metadata.managedFields`): lent by the server-side apply module."""

    def apply(self, served: Served, live: Obj | None, applied: Obj, call: "Call", time: str) -> Obj:
        """`live` with `applied` applied to it; Conflict where others own a field and `call.force` is not set."""
        ...

    def track(self, served: Served, before: Obj | None, after: Obj, call: "Call", time: str) -> Obj:
        """`after` with managedFields that note an ordinary write by `call.manager`."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """What a request says besides its object.

    `validation` is fieldValidation: Strict refuses unknown fields, Warn appends to `warnings`, anything else is silent.
    """

    subresource: str = ""
    manager: str = ""
    force: bool = False
    dry_run: bool = False
    validation: str = ""
    warnings: list[str] = field(default_factory=list)


class Verbs:
    """get, select, create, replace, patch and delete on one store."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        now: Callable[[], datetime],
        *,
        auto_create_namespaces: bool = False,
        seed: int | None = None,
    ) -> None:
        self.store, self.registry = store, registry
        self.ownership: Ownership | None = None
        self._now = now
        self._auto_create = auto_create_namespaces
        self._chance = random.Random(seed)
        self._addresses = Addresses()
        self._deletion = Deletion(store, registry, self.time)
        for name in NAMESPACES:
            self._create_namespace(name)

    def time(self, later: int = 0) -> str:
        """Now, or in so many seconds, as objects write it."""
        return format_time(self._now() + timedelta(seconds=later))

    # ── reading ────────────────────────────────────────────────────────────

    def get(self, served: Served, namespace: str, name: str, subresource: str = "") -> Obj:
        if subresource != "scale" or not served.scale:
            _check_door(served, subresource, name)
        obj = self.live(served, namespace, name)
        return scale_of(obj, served.scale) if subresource == "scale" and served.scale else obj

    def _is_there(self, served: Served, namespace: str, name: str) -> bool:
        return self.store.table(served.key).get(namespace if served.resource.namespaced else "", name) is not None

    def live(self, served: Served, namespace: str, name: str) -> Obj:
        """The stored object; NotFound when there is none."""
        obj = self.store.table(served.key).get(namespace if served.resource.namespaced else "", name)
        if obj is None:
            raise refusals.not_found(served.resource, name)
        return obj

    # ── writing ────────────────────────────────────────────────────────────

    def create(self, served: Served, namespace: str, obj: Obj, name: str, call: Call) -> Obj:
        if call.subresource:
            return self._create_subresource(served, namespace, obj, name, call)
        lifecycle.check_addressed(served, obj, namespace, name)
        self._note_unknown(served, obj, call)
        given = obj.get("metadata") or {}
        if given.get("resourceVersion"):
            raise refusals.bad_request("resourceVersion should not be set on objects to be created")
        if served.resource.namespaced:
            self._need_namespace(served, namespace, str(given.get("name") or given.get("generateName") or ""))
        birth = lifecycle.Birth(namespace, self._name(served, namespace, given), self._uid(), self.time())
        new = prepare(served, lifecycle.born(served, obj, birth), None)
        if served.key == CRD_KEY:
            new = crds.completed(new, birth.time)
        new = self._tracked(served, None, new, call)
        check(served, new, None)
        if served.key == CRD_KEY:
            call.warnings.extend(crds.unevaluated(new))
        if self._is_there(served, namespace, birth.name):
            raise refusals.already_exists(served.resource, birth.name)
        new = self._addresses.allotted(new)
        return new if call.dry_run else self._put(served, new)

    def replace(self, served: Served, namespace: str, name: str, obj: Obj, call: Call) -> Obj:
        lifecycle.check_addressed(served, obj if call.subresource != "scale" else {}, namespace, name)
        if (
            served.resource.kind in _MADE_BY_REPLACING
            and not call.subresource
            and not self._is_there(served, namespace, name)
        ):
            return self.create(served, namespace, obj, name, call)
        old = self.live(served, namespace, name)
        if call.subresource == "scale" and served.scale:
            return self._scale(served, old, obj, call)
        self._note_unknown(served, obj, call)
        if served.custom and not (obj.get("metadata") or {}).get("resourceVersion"):
            cause = refusals.Cause(
                "metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0: must be specified for an update"
            )
            raise refusals.invalid(served.resource, name, [cause], kind=served.resource.plural)
        uid = (obj.get("metadata") or {}).get("uid")
        if uid and uid != refs.uid_of(old):
            raise refusals.another_object(served.resource, old, uid)
        return self._update(served, old, obj, call)

    def patch(self, served: Served, namespace: str, name: str, patch: Any, kind: PatchType, call: Call) -> Obj:
        if kind is PatchType.APPLY:
            return self._apply(served, namespace, name, patch, call)
        if kind is PatchType.STRATEGIC and served.custom:
            raise refusals.unsupported_media_type([PatchType.JSON, PatchType.MERGE, PatchType.APPLY])
        old = self.live(served, namespace, name)
        if call.subresource == "scale" and served.scale:
            return self._scale(served, old, _patched(scale_of(old, served.scale), patch, kind), call)
        new = _patched(old, patch, kind)
        lifecycle.check_patched(served, new, old)
        self._note_unknown(served, new, call, patched=True)
        return self._update(served, old, new, call)

    def delete(self, served: Served, namespace: str, name: str, options: DeleteOptions) -> Obj:
        return self._deletion.delete(served, self.live(served, namespace, name), options)

    def delete_collection(self, served: Served, selection: Selection, options: DeleteOptions) -> list[Obj]:
        """Delete everything meant; answers the objects as they were."""
        meant = list(self.store.table(served.key).select(selection))
        for obj in meant:
            self._deletion.delete(served, obj, options)
        return meant

    # ── how a write is done ────────────────────────────────────────────────

    def _update(self, served: Served, old: Obj, given: Obj, call: Call) -> Obj:
        _check_door(served, call.subresource, refs.name_of(old))
        version = (given.get("metadata") or {}).get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise refusals.conflict(served.resource, refs.name_of(old))
        causes = lifecycle.check_metadata(old, given)
        if causes:  # an API server looks twice: once for every object alike, once for its kind
            raise refusals.invalid(served.resource, refs.name_of(old), causes * 2)
        wanted = self._addresses.allotted(prepare(served, lifecycle.named(given, old), old), old)
        new = lifecycle.updated(served, old, wanted, call.subresource)
        if new is old:
            return old
        if served.key == CRD_KEY and not call.subresource:
            new = crds.completed(new, self.time())
            if new == old:
                return old
        new = self._tracked(served, old, new, call)
        check(served, new, old)
        if call.dry_run:
            return new
        if lifecycle.finished(new):
            return self._deletion.remove(served, new)
        return self._put(served, new)

    def _put(self, served: Served, new: Obj) -> Obj:
        stored = self.store.put(served.key, new)
        if served.key == CRD_KEY:
            self.registry.remove((stored["spec"]["group"], stored["spec"]["names"]["plural"]))
            for version in crds.served_versions(stored):
                self.registry.add(version)
        return stored

    def _apply(self, served: Served, namespace: str, name: str, applied: Obj, call: Call) -> Obj:
        if self.ownership is None:
            raise refusals.unsupported_media_type([PatchType.JSON, PatchType.MERGE, PatchType.STRATEGIC])
        if not call.manager:
            cause = refusals.required("fieldManager", "is required for apply patch")
            raise refusals.invalid(_PATCH_OPTIONS, "", [cause])
        lifecycle.check_addressed(served, applied, namespace, name)
        table = self.store.table(served.key)
        old = table.get(namespace if served.resource.namespaced else "", name)
        self._note_unknown(served, applied, call, patched=True)
        if old is None and call.subresource:
            raise refusals.not_found(served.resource, name)
        new = self.ownership.apply(served, old, applied, call, self.time())
        quiet = Call(call.subresource, dry_run=call.dry_run)
        if old is None:
            return self.create(served, namespace, new, name, quiet)
        return self._update(served, old, new, quiet)

    def _tracked(self, served: Served, old: Obj | None, new: Obj, call: Call) -> Obj:
        """Ownership is noted for writers that give their name; writes from within the process usually do not."""
        if self.ownership is None or not call.manager:
            return new
        return self.ownership.track(served, old, new, call, self.time())

    def _note_unknown(self, served: Served, obj: Obj, call: Call, *, patched: bool = False) -> None:
        if call.validation not in ("Strict", "Warn"):
            return
        found = [f'unknown field "{path}"' for path in unknown_fields(served, obj)]
        wrong = mistyped(served, obj)
        if wrong:
            raise _undecodable(served, obj, wrong, patched)
        if call.validation == "Warn":
            call.warnings.extend(found)
        elif found:
            raise _undecodable(served, obj, f"strict decoding error: {', '.join(found)}", patched)

    # ── subresources ───────────────────────────────────────────────────────

    def _scale(self, served: Served, old: Obj, scale: Obj, call: Call) -> Obj:
        if served.scale is None:
            raise refusals.no_such_resource()
        wanted = scaled(old, scale, served.scale, served.resource if served.custom else None)
        plain = Call(manager=call.manager, dry_run=call.dry_run)
        return scale_of(self._update(served, old, wanted, plain), served.scale)

    def _create_subresource(self, served: Served, namespace: str, obj: Obj, name: str, call: Call) -> Obj:
        if call.subresource not in served.subresources:
            raise refusals.no_such_resource()
        if call.subresource not in _CREATED:
            raise refusals.method_not_allowed()
        pod = self.live(served, namespace, name)
        if call.subresource == "eviction":
            self._evict(served, pod, obj, call)
        else:
            self._bind(served, pod, str((obj.get("target") or {}).get("name", "")), call)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def _bind(self, served: Served, pod: Obj, node: str, call: Call) -> None:
        """Give a pod its node, once."""
        taken = pod["spec"].get("nodeName")
        if taken:
            because = f'pod {refs.name_of(pod)} is already assigned to node "{taken}"'
            raise refusals.conflict(_BINDING, refs.name_of(pod), because)
        new = self._update(served, pod, {**pod, "spec": {**pod["spec"], "nodeName": node}}, Call(dry_run=call.dry_run))
        if not call.dry_run:
            scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
            conditions = [{**scheduled, "lastTransitionTime": self.time()}]
            self._put(served, {**new, "status": {**(new.get("status") or {}), "conditions": conditions}})

    def _evict(self, served: Served, pod: Obj, eviction: Obj, call: Call) -> None:
        check_eviction(eviction, refs.name_of(pod))
        asked: Obj = eviction.get("deleteOptions") or {}
        dry_run = call.dry_run or "All" in (asked.get("dryRun") or ())
        kind = self.registry.of(POD_DISRUPTION_BUDGET)
        budgets = self.store.table(kind.key).select(Selection(namespace=refs.namespace_of(pod)))
        found = verdict(pod, budgets, self.time())
        if found.refusal is not None:
            raise found.refusal
        given: Obj = asked.get("preconditions") or {}
        uid, version = given.get("uid") or "", given.get("resourceVersion") or ""
        options = DeleteOptions(uid=uid, resource_version=version, dry_run=dry_run)
        self._deletion.check(served, pod, options)
        if not dry_run:
            if found.spent is not None:
                self._put(kind, found.spent)
            pod = self._put(served, evicted(pod, self.time()))
        grace = asked.get("gracePeriodSeconds")
        self._deletion.delete(served, pod, DeleteOptions(grace_period=grace, dry_run=dry_run))

    # ── names ──────────────────────────────────────────────────────────────

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def _name(self, served: Served, namespace: str, metadata: Obj) -> str:
        """The name given, or one generated that is free; Invalid when it cannot be a name."""
        name = str(metadata.get("name") or "")
        prefix = str(metadata.get("generateName") or "")
        if not name and prefix:
            taken = self.store.table(served.key).objects.get(namespace, {})
            name = self._generated(prefix)
            while name in taken:
                name = self._generated(prefix)
        causes = check_name(served.resource, name)
        if causes:
            raise refusals.invalid(served.resource, name, causes)
        return name

    def _generated(self, prefix: str) -> str:
        return prefix[:58] + "".join(self._chance.choices(_SUFFIX, k=5))

    def _need_namespace(self, served: Served, namespace: str, name: str) -> None:
        found = self.store.table(NAMESPACE_KEY).get("", namespace)
        if found is None:
            if not self._auto_create:
                raise refusals.not_found(refs.NAMESPACE, namespace)
            self._create_namespace(namespace)
        elif "deletionTimestamp" in found["metadata"]:
            because = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = f"namespace {namespace} is being terminated"
            causes = [refusals.Cause("metadata.namespace", "NamespaceTerminating", cause)]
            raise refusals.forbidden(served.resource, name, because, causes)

    def _create_namespace(self, name: str) -> None:
        self.create(self.registry.of(refs.NAMESPACE), "", {"metadata": {"name": name}}, name, Call())


def _check_door(served: Served, subresource: str, name: str) -> None:
    """Refused unless the object can be read and written through this subresource ("" is the object itself)."""
    if subresource and subresource not in served.subresources:
        raise refusals.not_found(served.resource, name) if served.custom else refusals.no_such_resource()
    if subresource in _CREATED:
        raise refusals.method_not_allowed()


def _patched(old: Obj, patch: Any, kind: PatchType) -> Any:
    if kind is PatchType.JSON:
        if not isinstance(patch, list):
            kind_of = "object" if isinstance(patch, dict) else "value"
            text = f"error decoding patch: json: cannot unmarshal {kind_of} into Go value of type"
            raise refusals.bad_request(f"{text} []handlers.jsonPatchOp")
        return json_patch(old, patch)
    if not isinstance(patch, dict):
        raise refusals.bad_request("a merge patch is an object")
    return strategic_merge(old, patch) if kind is PatchType.STRATEGIC else merge(old, patch)


def _undecodable(served: Served, obj: Obj, errors: str, patched: bool) -> Exception:
    resource, name = served.resource, str((obj.get("metadata") or {}).get("name", ""))
    if patched:
        cause = refusals.Cause("patch", "FieldValueInvalid", f"Invalid value: {refusals.shown(obj)}: {errors}")
        return refusals.invalid(resource, name, [cause])
    text = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {errors}'
    return refusals.bad_request(text)
