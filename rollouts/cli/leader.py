"""Whether a controller is at work, as the lease tells that every controller holds while it acts."""

from datetime import datetime

from rollouts.kube.errors import ApiError
from rollouts.kube.fields import number, part, text
from rollouts.kube.refs import LEASE, Obj
from rollouts.kube.wire import Wire

_INSTANCE_ID = "argo-rollouts.argoproj.io/controller-instance-id"


async def leader(wire: Wire, rollout: Obj, now: datetime) -> str:
    """Who acts on this Rollout, in a sentence; "" where leases may not be read."""
    instance = text(rollout, "metadata", "labels", _INSTANCE_ID)
    name = f"argo-rollouts-controller-lock{f'-{instance}' if instance else ''}"
    try:
        leases = (await wire.list(LEASE, "", field_selector=f"metadata.name={name}")).items
    except ApiError:
        return ""
    return "; ".join(_held(lease, now) for lease in leases) or f"there is no lease {name}: does any controller run?"


def _held(lease: Obj, now: datetime) -> str:
    spec, meta = part(lease, "spec"), part(lease, "metadata")
    which = f"{meta.get('namespace')}/{meta.get('name')}"
    holder, renewed = text(spec, "holderIdentity"), text(spec, "renewTime")
    if not holder or not renewed:
        return f"nobody holds the lease {which}: no controller runs"
    ago = max(0, int((now - datetime.fromisoformat(renewed)).total_seconds()))
    if ago > number(spec, "leaseDurationSeconds"):
        return f"{holder} held the lease {which} until {ago} s ago: no controller runs"
    return f"{holder} leads, renewed {ago} s ago"
