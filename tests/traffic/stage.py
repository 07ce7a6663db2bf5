"""What tests of routers share: a Rollout that names one, the objects that it finds, and what it makes of them."""

import copy
from typing import Any

from rollouts.api.canary import SetHeaderRoute, SetMirrorRoute
from rollouts.api.rollout import Rollout
from rollouts.decide.plan import Destination, HeaderRoute, MirrorRoute, Split
from rollouts.decide.world import Hash
from rollouts.kube.refs import Ref
from rollouts.traffic.base import Edit, Router, Selection, TrafficSettings, look
from rollouts.traffic.registry import routers
from tests import make

Obj = dict[str, Any]
SETTINGS = TrafficSettings()


def router(
    field: str,
    value: Obj,
    *,
    managed: tuple[str, ...] = (),
    status: Obj | None = None,
    steps: tuple[Obj, ...] = (),
    settings: TrafficSettings = SETTINGS,
    **routing: Any,
) -> Router:
    """The router that a Rollout with this trafficRouting gets."""
    given = {field: value, "managedRoutes": [{"name": name} for name in managed], **routing}
    manifest = make.rollout(make.weight(20), *steps, canary={**make.ISTIO, "trafficRouting": given})
    (built,) = routers(Rollout.model_validate({**manifest, "status": status or {}}), settings)
    return built


def split(canary: int, *, whole: int = 100, same: bool = False, **rest: Any) -> Split:
    extra = sum(one.weight for one in rest.get("additional", ()))
    return Split(
        Destination("canary", Hash("old" if same else "new"), canary),
        Destination("stable", Hash("old"), whole - canary - extra),
        max_weight=whole,
        **rest,
    )


def header(name: str, **headers: str) -> HeaderRoute:
    match = [{"headerName": key.split("__")[0], "headerValue": {"exact": value}} for key, value in headers.items()]
    return HeaderRoute(name, SetHeaderRoute.model_validate({"name": name, "match": match}).match)


def mirror(name: str, percentage: int = 100, **match: Any) -> MirrorRoute:
    wanted = {"name": name, "match": [match or {"method": {"exact": "GET"}}]}
    return MirrorRoute(name, SetMirrorRoute.model_validate(wanted).match, percentage)


class Objects:
    """The routing objects of a cluster: edits are carried out on them."""

    def __init__(self, *objects: Obj) -> None:
        self.all = {self._key(obj): obj for obj in objects}

    def _key(self, obj: Obj) -> tuple[str, str]:
        return obj["kind"], obj["metadata"]["name"]

    def store(self, obj: Obj, before: Obj | None) -> None:
        """What the cluster keeps of an object that was written."""
        self.all[self._key(obj)] = obj

    def get(self, ref: Ref) -> Obj | None:
        return self.all.get((ref.resource.kind, ref.name))

    def select(self, selection: Selection) -> list[Ref]:
        found = [(name, obj) for (kind, name), obj in self.all.items() if kind == selection.resource.kind]
        labelled = [name for name, obj in found if selection.selector.matches(obj["metadata"].get("labels") or {})]
        return [Ref(selection.resource, selection.namespace, name) for name in labelled]

    def one(self, kind: str, name: str) -> Obj:
        return self.all[kind, name]

    def fault(self, subject: Router) -> str:
        return subject.fault(look(subject, self.get, self.select))

    def edits(self, subject: Router, wanted: Split) -> list[Edit]:
        """What the router would do; what it was shown must stay as it is."""
        found = look(subject, self.get, self.select)
        untouched = copy.deepcopy(found)
        edits = list(subject.edit(found, wanted))
        assert found == untouched, "what was found is shared and must not be changed"
        return edits

    def say(self, subject: Router, wanted: Split) -> list[str]:
        """Do it; the reasons of the events. A second time there must be nothing left to do."""
        edits = self.edits(subject, wanted)
        for edit in edits:
            key = edit.ref.resource.kind, edit.ref.name
            if edit.want is None:
                del self.all[key]
            else:
                self.store(edit.want, self.all.get(key))
        assert [edit for edit in self.edits(subject, wanted) if edit.want is not None] == []
        return [edit.event.reason for edit in edits]
