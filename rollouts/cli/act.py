"""Commands that change something: promote, abort, retry, pause, restart, set image, undo, terminate."""

import argparse
import asyncio
from collections.abc import Callable
from datetime import timedelta

from analysis.schema import parse_duration
from rollouts import operations
from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.cli.session import CommandFailed, Session
from rollouts.kube.errors import Conflict, Invalid
from rollouts.kube.refs import REPLICA_SET, ROLLOUT, Ref
from rollouts.operations import Operation

_TRIES = 5


async def promote(session: Session, args: argparse.Namespace) -> None:
    rollout = await session.rollout(args.name)
    operation = operations.promote(
        rollout, full=args.full, skip_current=args.skip_current_step, skip_all=args.skip_all_steps
    )
    await session.perform(operation)


async def abort(session: Session, args: argparse.Namespace) -> None:
    await _each(session, args, operations.abort)


async def retry_rollout(session: Session, args: argparse.Namespace) -> None:
    await _each(session, args, operations.retry)


async def retry_experiment(session: Session, args: argparse.Namespace) -> None:
    await _each(session, args, operations.retry_experiment)


async def pause(session: Session, args: argparse.Namespace) -> None:
    await _each(session, args, operations.pause)


async def terminate_analysis_run(session: Session, args: argparse.Namespace) -> None:
    await _each(session, args, operations.terminate_analysis_run)


async def terminate_experiment(session: Session, args: argparse.Namespace) -> None:
    await _each(session, args, operations.terminate_experiment)


async def restart(session: Session, args: argparse.Namespace) -> None:
    wait = _wait(args.in_) if args.in_ else timedelta(0)
    await session.perform(operations.restart(session.namespace, args.name, session.now() + wait, args.in_ or "0s"))


async def set_image(session: Session, args: argparse.Namespace) -> None:
    """Reads, then patches on condition that the containers still stand where they were; reads again when not."""
    images = dict(_container_and_image(written) for written in args.images)
    for left in reversed(range(_TRIES)):
        rollout = await session.rollout(args.name)
        ref = operations.workload_of(rollout) or Ref(ROLLOUT, session.namespace, args.name)
        workload = rollout if ref.resource is ROLLOUT else await session.wire.get(ref.resource, ref.namespace, ref.name)
        try:
            return await session.perform(operations.set_image(workload, ref, images))
        except (Conflict, Invalid):
            if not left:
                raise
            await asyncio.sleep(0.05)
    return None


async def undo(session: Session, args: argparse.Namespace) -> None:
    rollout = await session.rollout(args.name)
    ref = operations.workload_of(rollout)
    workload = await session.wire.get(ref.resource, ref.namespace, ref.name) if ref else None
    listing = await session.wire.list(REPLICA_SET, session.namespace, label_selector=POD_TEMPLATE_HASH)
    operation = operations.undo(rollout, listing.items, workload, args.to_revision)
    await session.perform(operation, end="\n" if operation.changes else "")


async def _each(session: Session, args: argparse.Namespace, operation: Callable[[str, str], Operation]) -> None:
    for name in args.names:
        await session.perform(operation(session.namespace, name))


def _wait(written: str) -> timedelta:
    try:
        return parse_duration(written)
    except ValueError as error:
        raise CommandFailed(f"--in: {error}") from error


def _container_and_image(written: str) -> tuple[str, str]:
    container, equals, image = written.partition("=")
    if not (container and equals and image):
        raise CommandFailed(f'expected CONTAINER=IMAGE, found "{written}"')
    return container, image
