"""Commands that only look: get rollout, get experiment, list, status."""

import argparse
import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

from rollouts.cli.session import CommandFailed, Session
from rollouts.cli.tables import experiments_table, rollout_row, rollouts_header, table
from rollouts.cli.tree import Screen
from rollouts.cli.watching import Live, scopes, watching
from rollouts.kube.refs import ANALYSIS_RUN, EXPERIMENT, POD, REPLICA_SET, ROLLOUT, Obj, Resource
from rollouts.kube.watch import Scope
from rollouts.view import experiment_info, rollout_info, rollout_phase

_CLEAR = "\x1b[H\x1b[2J"

Objects: TypeAlias = Callable[[Resource], list[Obj]]
Rows: TypeAlias = dict[tuple[str, str], list[str]]


async def get_rollout(session: Session, args: argparse.Namespace) -> None:
    await _get(session, args, ROLLOUT)


async def get_experiment(session: Session, args: argparse.Namespace) -> None:
    await _get(session, args, EXPERIMENT)


async def _get(session: Session, args: argparse.Namespace, resource: Resource) -> None:
    """Asks for the object itself first, so that a wrong name or a missing right is told before anything is watched."""
    root = await session.get(resource, args.name)
    colour = session.live and not args.no_color and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    wanted = scopes(session.namespace, args.name, resource)
    if not args.watch:
        found = await _read(session, {kind: scope for kind, scope in wanted.items() if kind is not resource})
        return session.say(_draw(session, root, lambda kind: found.get(kind, [root]), colour), end="")
    with suppress(TimeoutError):
        async with asyncio.timeout(args.timeout_seconds or None), watching(session.wire, wanted) as live:
            await live.follow(lambda: _redraw(session, live, root, resource, colour), every=1.0)
    return None


async def _read(session: Session, wanted: Mapping[Resource, Scope]) -> dict[Resource, list[Obj]]:
    listings = await asyncio.gather(
        *(
            session.wire.list(kind, scope.namespace, label_selector=scope.label_selector)
            for kind, scope in wanted.items()
        )
    )
    return {kind: listing.items for kind, listing in zip(wanted, listings, strict=True)}


def _redraw(session: Session, live: Live, first: Obj, resource: Resource, colour: bool) -> bool:
    name = first["metadata"]["name"]
    root = live.find(resource, session.namespace, name)
    if root is None:
        raise CommandFailed(f'{resource.kind.lower()}.{resource.group} "{name}" not found')
    session.say((_CLEAR if session.live else "") + _draw(session, root, live.objects, colour), end="")
    return False


def _draw(session: Session, root: Obj, objects: Objects, colour: bool) -> str:
    screen = Screen(session.now(), colour)
    replica_sets, pods, runs = objects(REPLICA_SET), objects(POD), objects(ANALYSIS_RUN)
    if root.get("kind") == "Experiment":
        return screen.experiment(experiment_info(root, replica_sets, pods, runs))
    return screen.rollout(rollout_info(root, replica_sets, pods, runs, objects(EXPERIMENT)))


async def list_rollouts(session: Session, args: argparse.Namespace) -> None:
    namespace = "" if args.all_namespaces else session.namespace
    scope = Scope(namespace, field_selector=f"metadata.name={args.name}" if args.name else "")
    listing = await session.wire.list(ROLLOUT, namespace, field_selector=scope.field_selector)
    if not listing.items and not args.watch:
        return session.warn("No resources found.")
    header = rollouts_header(namespaces=args.all_namespaces, timestamps=args.timestamps)
    rows = {_key(each): _row(session, args, each) for each in listing.items}
    session.say(table([header, *rows.values()]), end="")
    if args.watch:
        seen = {_key(each): rollout_row(each) for each in listing.items}
        async with watching(session.wire, {ROLLOUT: scope}) as live:
            await live.follow(lambda: _print_changed(session, args, live, seen))
    return None


def _key(rollout: Obj) -> tuple[str, str]:
    return rollout["metadata"].get("namespace", ""), rollout["metadata"]["name"]


def _row(session: Session, args: argparse.Namespace, rollout: Obj) -> list[str]:
    timestamp = session.now() if args.timestamps else None
    return rollout_row(rollout, namespaces=args.all_namespaces, timestamp=timestamp)


def _print_changed(
    session: Session, args: argparse.Namespace, live: Live, seen: dict[tuple[str, str], list[str]]
) -> bool:
    for rollout in live.objects(ROLLOUT):
        row = rollout_row(rollout)
        if seen.get(_key(rollout)) != row:
            seen[_key(rollout)] = row
            session.say(table([_row(session, args, rollout)]), end="")
    return False


async def list_experiments(session: Session, args: argparse.Namespace) -> None:
    listing = await session.wire.list(EXPERIMENT, "" if args.all_namespaces else session.namespace)
    if not listing.items:
        return session.warn("No resources found.")
    return session.say(experiments_table(listing.items, session.now(), namespaces=args.all_namespaces), end="")


async def status(session: Session, args: argparse.Namespace) -> None:
    """CommandFailed (exit code 1) when the Rollout is Degraded, or when it is watched and ends neither way in time."""
    rollout = await session.get(ROLLOUT, args.name)
    if not args.watch:
        phase, message = rollout_phase(rollout)
        session.say(phase if phase in ("Healthy", "Degraded") else f"{phase} - {message}")
        return _check(rollout)
    wanted = {ROLLOUT: scopes(session.namespace, args.name)[ROLLOUT]}
    said: list[str] = []
    try:
        async with asyncio.timeout(args.timeout or None), watching(session.wire, wanted) as live:
            await live.follow(lambda: _settled(session, live, args.name, said))
            return _check(live.find(ROLLOUT, session.namespace, args.name) or rollout)
    except (TimeoutError, asyncio.CancelledError) as error:
        raise CommandFailed("Rollout status watch exceeded timeout") from error


def _settled(session: Session, live: Live, name: str, said: list[str]) -> bool:
    """Print the status when it is another than the last printed; whether it is a final one."""
    rollout = live.find(ROLLOUT, session.namespace, name)
    if rollout is None:
        raise CommandFailed(f'rollout.{ROLLOUT.group} "{name}" not found')
    phase, message = rollout_phase(rollout)
    line = f"{phase} - {message}" if message else phase
    if said[-1:] != [line]:
        said.append(line)
        session.say(line)
    return phase in ("Healthy", "Degraded")


def _check(rollout: Obj) -> None:
    phase, message = rollout_phase(rollout)
    if phase == "Degraded":
        raise CommandFailed(f"The rollout is in a degraded state with message: {message}")
