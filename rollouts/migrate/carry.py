"""Migrations carried out over a wire, step by step, each told before it is done. The first refusal is the last step."""

import asyncio
from collections.abc import Callable, Iterable

from rollouts.kube.errors import AlreadyExists, ApiError, NotFound
from rollouts.kube.refs import DEPLOYMENT, ROLLOUT, Obj, Ref
from rollouts.kube.wire import Wire
from rollouts.migrate.plan import AUTOSCALER, Await, Change, Create, Delete, Scene, Step

_GLANCE = 0.25
"""Seconds between two looks at what is waited for."""


class Stopped(Exception):
    """A step did not succeed; the message says which and why. What was done before it stays done."""


async def scene_of(wire: Wire, namespace: str, deployment: str, rollout: str) -> Scene:
    """What there is of these names, and the autoscalers beside them."""
    try:
        autoscalers = (await wire.list(AUTOSCALER, namespace)).items
    except NotFound:
        autoscalers = []  # a cluster without that API
    found = [
        await _find(wire, Ref(*ref)) for ref in ((DEPLOYMENT, namespace, deployment), (ROLLOUT, namespace, rollout))
    ]
    return Scene(found[0], found[1], tuple(autoscalers))


async def carry_out(wire: Wire, steps: Iterable[Step], say: Callable[[str], None], patience: float) -> None:
    """Do the steps in their order; `patience`: seconds that each wait may take. Raises Stopped."""
    for number, step in enumerate(steps, 1):
        say(f"{number}. {step.text}")
        try:
            await _do(wire, step.action, say, patience)
        except ApiError as error:
            raise Stopped(f"step {number}, {step.text}: {error}") from error
        except TimeoutError as error:
            raise Stopped(f"step {number}, {step.text}: not within {patience:g} s; {error}") from error


async def _do(
    wire: Wire, action: Create | Change | Delete | Await, say: Callable[[str], None], patience: float
) -> None:
    ref = action.ref
    match action:
        case Create(manifest=manifest):
            try:
                await wire.create(ref.resource, ref.namespace, manifest)
            except AlreadyExists:
                raise Stopped(f"{ref} has appeared in the meantime: begin again to see how things stand") from None
        case Change(patch=patch):
            await wire.patch(ref.resource, ref.namespace, ref.name, patch)
        case Delete():
            try:
                await wire.delete(ref.resource, ref.namespace, ref.name, propagation="Background")
            except NotFound:
                return
        case Await():
            await _wait(wire, action, say, patience)


async def _wait(wire: Wire, action: Await, say: Callable[[str], None], patience: float) -> None:
    loop = asyncio.get_running_loop()
    until, told = loop.time() + patience, ""
    while lacking := action.lacks(await _find(wire, action.ref)):
        if lacking != told:
            say(f"   {lacking}")
            told = lacking
        if loop.time() >= until:
            raise TimeoutError(lacking)
        await asyncio.sleep(_GLANCE)


async def _find(wire: Wire, ref: Ref) -> Obj | None:
    try:
        return await wire.get(ref.resource, ref.namespace, ref.name)
    except NotFound:
        return None
