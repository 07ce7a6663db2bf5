"""Whether a controller is at work, as the lease tells that every controller holds while it acts."""

from datetime import datetime

from rollouts.kube.errors import ApiError
from rollouts.kube.fields import number, part, text
from rollouts.kube.refs import LEASE, Obj
from rollouts.kube.wire import Wire

_INSTANCE_ID = "argo-rollouts.argoproj.io/controller-instance-id"


async def leader(wire: Wire, rollout: Obj, now: datetime) -> tuple[bool, str]:
    """Whether a controller acts as far as is known, and that in a sentence ("" where leases may not be read).

    That there is no lease proves nothing: without leader election a controller holds none.
    """
    instance = text(rollout, "metadata", "labels", _INSTANCE_ID)
    name = f"argo-rollouts-controller-lock{f'-{instance}' if instance else ''}"
    try:
        leases = (await wire.list(LEASE, "", field_selector=f"metadata.name={name}")).items
    except ApiError:
        return True, ""
    held = [_held(lease, now) for lease in leases] or [(True, f"there is no lease {name}: does any controller run?")]
    return any(acts for acts, _ in held), "; ".join(said for _, said in held)


def _held(lease: Obj, now: datetime) -> tuple[bool, str]:
    spec, meta = part(lease, "spec"), part(lease, "metadata")
    which = f"{meta.get('namespace')}/{meta.get('name')}"
    holder, renewed = text(spec, "holderIdentity"), text(spec, "renewTime")
    if not holder or not renewed:
        return False, f"nobody holds the lease {which}: no controller acts"
    ago = max(0, int((now - datetime.fromisoformat(renewed)).total_seconds()))
    if ago > number(spec, "leaseDurationSeconds"):
        return False, f"{holder} renewed the lease {which} last {ago} s ago: no controller acts"
    return True, f"{holder} leads, renewed {ago} s ago"
