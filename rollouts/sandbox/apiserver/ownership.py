"""Server-side apply as the sandbox's server takes it: field ownership by the resource's own schema."""

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.merging import serverside
from rollouts.sandbox.apiserver.types.openapi import typed
from rollouts.sandbox.apiserver.types.registry import Served
from rollouts.sandbox.apiserver.verbs import Call


class FieldOwnership:
    """Lent to `ApiServer.ownership`."""

    def apply(self, served: Served, live: Obj | None, applied: Obj, call: Call, time: str) -> Obj:
        return serverside.apply(live, applied, typed(served), _writer(served, call, time), force=call.force)

    def track(self, served: Served, before: Obj | None, after: Obj, call: Call, time: str) -> Obj:
        return serverside.track(before, after, typed(served), _writer(served, call, time))


def _writer(served: Served, call: Call, time: str) -> serverside.Writer:
    return serverside.Writer(call.manager, served.resource.api_version, time, call.subresource)
