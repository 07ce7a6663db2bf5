"""How objects go: finalizers, grace periods, preconditions, and what goes with a namespace or a definition."""

from collections.abc import Callable
from dataclasses import dataclass

from rollouts.kube import refs
from rollouts.kube.refs import Obj
from rollouts.kube.wire import Propagation
from rollouts.sandbox.apiserver import lifecycle, refusals
from rollouts.sandbox.apiserver.selectors import Selection
from rollouts.sandbox.apiserver.store import Key, Store
from rollouts.sandbox.apiserver.types import crds
from rollouts.sandbox.apiserver.types.registry import Registry, Served

NAMESPACE_KEY: Key = ("", "namespaces")
CRD_KEY: Key = (refs.CRD.group, refs.CRD.plural)
_KEPT = ("default", "kube-system", "kube-public")
_ANSWERED_WITH_OBJECT = frozenset({"Service"})
_EVERYWHERE = Selection()


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a DELETE asks for. `uid` and `resource_version` are preconditions; grace in seconds, None: the default."""

    propagation: Propagation | None = None
    uid: str = ""
    resource_version: str = ""
    grace_period: int | None = None
    dry_run: bool = False


class Deletion:
    """Deletes objects of one store. `time(n)` is the time in n seconds, as objects write it."""

    def __init__(self, store: Store, registry: Registry, time: Callable[[int], str]) -> None:
        self._store, self._registry, self._time = store, registry, time

    def delete(self, served: Served, obj: Obj, options: DeleteOptions) -> Obj:
        """A Status when the object is gone at once, else the object that lives on for a while."""
        self.check(served, obj, options)
        if served.key == NAMESPACE_KEY:
            return self._delete_namespace(served, obj, options)
        grace = lifecycle.grace_period(obj, options.grace_period)
        by_default = served.resource.kind == "Job"
        finalizers = lifecycle.finalizers_after(obj, options.propagation, orphans_by_default=by_default)
        if not finalizers and grace == 0:
            if not options.dry_run:
                self.remove(served, obj)
            if served.resource.kind == "Pod":
                return lifecycle.marked(obj, self._time(0), 0, finalizers)
            answer = served.resource.kind in _ANSWERED_WITH_OBJECT
            return obj if answer else lifecycle.success(served.resource, obj)
        marked = self._marked(obj, grace, finalizers)
        if marked == obj or options.dry_run:
            return marked
        stored = self._store.put(served.key, marked)
        if served.key == CRD_KEY:
            return self._empty_definition(served, stored)
        return stored

    def check(self, served: Served, obj: Obj, options: DeleteOptions) -> None:
        """Conflict when the object is not the one that the preconditions mean."""
        name, uid, version = refs.name_of(obj), refs.uid_of(obj), obj["metadata"]["resourceVersion"]
        if options.uid and options.uid != uid:
            because = f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid})"
            again = "The object might have been deleted and then recreated"
            raise refusals.precondition_failed(served.resource, name, f"{because}. {again}")
        if options.resource_version and options.resource_version != version:
            because = f"the ResourceVersion in the precondition ({options.resource_version}) does not match"
            again = f"the ResourceVersion in record ({version}). The object might have been modified"
            raise refusals.precondition_failed(served.resource, name, f"{because} {again}")

    def _marked(self, obj: Obj, grace: int, finalizers: list[str]) -> Obj:
        metadata = obj["metadata"]
        if "deletionTimestamp" not in metadata:
            return lifecycle.marked(obj, self._time(grace), grace, finalizers)
        if grace < metadata.get("deletionGracePeriodSeconds", 0):
            return lifecycle.marked(obj, self._time(grace), grace, finalizers)
        return lifecycle.with_finalizers(obj, finalizers)

    def remove(self, served: Served, obj: Obj) -> Obj:
        """Take the object out for good, and whatever waited for that."""
        last = self._store.remove(served.key, obj)
        if served.key == CRD_KEY:
            self._registry.remove((obj["spec"]["group"], obj["spec"]["names"]["plural"]))
        if served.resource.namespaced:
            self._finish_namespace(refs.namespace_of(obj))
        if served.custom:
            self._finish_definition(served)
        return last

    # ── a namespace takes its content with it ──────────────────────────────

    def _delete_namespace(self, served: Served, obj: Obj, options: DeleteOptions) -> Obj:
        name = refs.name_of(obj)
        if name in _KEPT:
            raise refusals.forbidden(served.resource, name, "this namespace may not be deleted")
        marked = lifecycle.marked(obj, self._time(0), 0, obj["metadata"].get("finalizers") or [])
        marked = {**marked, "status": {**(obj.get("status") or {}), "phase": "Terminating"}}
        if options.dry_run:
            return marked
        stored = self._store.put(NAMESPACE_KEY, marked)
        for key, table in list(self._store.tables()):
            kind = self._registry.stored(key)
            for inside in list(table.select(Selection(namespace=name))) if kind else ():
                if kind is not None and table.get(name, refs.name_of(inside)) is not None:
                    self.delete(kind, inside, DeleteOptions(propagation="Background"))
        self._finish_namespace(name)
        return stored

    def _finish_namespace(self, name: str) -> None:
        obj = self._store.table(NAMESPACE_KEY).get("", name)
        if obj is None or "deletionTimestamp" not in obj["metadata"] or obj["metadata"].get("finalizers"):
            return
        if not any(table.objects.get(name) for _, table in self._store.tables()):
            self._store.remove(NAMESPACE_KEY, obj)

    # ── a definition takes its objects with it ─────────────────────────────

    def _empty_definition(self, served: Served, crd: Obj) -> Obj:
        key = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
        kind = self._registry.stored(key)
        for obj in list(self._store.table(key).select(_EVERYWHERE)) if kind else ():
            if kind is not None:
                self.delete(kind, obj, DeleteOptions(propagation="Background"))
        self._finish(served, refs.name_of(crd))
        return self._store.table(CRD_KEY).get("", refs.name_of(crd)) or lifecycle.success(served.resource, crd)

    def _finish_definition(self, served: Served) -> None:
        self._finish(self._registry.of(refs.CRD), f"{served.resource.plural}.{served.resource.group}")

    def _finish(self, served: Served, name: str) -> None:
        """Remove a definition that is being deleted once none of its objects are left."""
        crd = self._store.table(CRD_KEY).get("", name)
        if crd is None or "deletionTimestamp" not in crd["metadata"]:
            return
        key = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
        if any(self._store.table(key).objects.values()):
            return
        left = [one for one in crd["metadata"].get("finalizers") or () if one != crds.CLEANUP]
        cleaned = lifecycle.with_finalizers(crd, left)
        if left:
            self._store.put(CRD_KEY, cleaned)
        else:
            self.remove(served, cleaned)
