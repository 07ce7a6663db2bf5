"""Which kinds there are to look after: the built-in ones, and those that CustomResourceDefinitions bring and take."""

from collections.abc import Callable, Iterable, Iterator

from rollouts.kube.refs import CRD, EVENT, Obj, Resource
from rollouts.sandbox.apiserver.types.registry import BUILT_INS
from rollouts.sandbox.workloads.caches import Caches

Newcomer = Callable[[Resource], None]


def built_in() -> list[Resource]:
    """Every built-in resource whose objects can own or be owned. Events cannot: there are too many of them."""
    return [served.resource for served in BUILT_INS if served.resource != EVENT]


def defined_by(crd: Obj) -> Resource | None:
    """The resource that a CustomResourceDefinition defines, in the version that is stored; None if none is served."""
    spec = crd["spec"]
    served = [version for version in spec["versions"] if version.get("served")]
    stored = [version for version in served if version.get("storage")] or served
    if not stored:
        return None
    names = spec["names"]
    return Resource(spec["group"], stored[0]["name"], names["plural"], names["kind"], spec["scope"] == "Namespaced")


class Kinds:
    """The resources of the cluster at this moment; `subscribe` tells of each, now and when it comes."""

    def __init__(self, caches: Caches, resources: Iterable[Resource] | None = None) -> None:
        self.caches = caches
        self._resources = list(built_in() if resources is None else resources)
        self._newcomers: list[Newcomer] = []
        caches[CRD].subscribe(self._on_definition)

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources))

    def subscribe(self, newcomer: Newcomer) -> None:
        self._newcomers.append(newcomer)
        for resource in self:
            newcomer(resource)

    def find(self, api_version: str, kind: str) -> Resource | None:
        """The resource of which an owner reference speaks. Another version of the same group is the same resource."""
        group = api_version.rpartition("/")[0]
        return next((each for each in self._resources if (each.group, each.kind) == (group, kind)), None)

    def _on_definition(self, old: Obj | None, new: Obj | None) -> None:
        before, after = (None if crd is None else defined_by(crd) for crd in (old, new))
        if before == after:
            return
        if before in self._resources and before is not None:
            self._resources.remove(before)
            self.caches.discard(before)
        if after is not None and after not in self._resources:
            self._resources.append(after)
            for newcomer in self._newcomers:
                newcomer(after)
