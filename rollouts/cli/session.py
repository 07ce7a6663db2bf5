"""What a command works with: the cluster, a namespace, a place to print to, and the time."""

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO, TypeAlias

from rollouts.kube.errors import NotFound, is_kind_missing
from rollouts.kube.refs import ROLLOUT, Obj, Resource
from rollouts.kube.wire import Wire
from rollouts.operations import Change, Operation


class CommandFailed(Exception):
    """The command cannot go on, or must end with exit code 1; the message is printed after `Error: `."""


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command. `live`: the output is a terminal, which can be cleared and coloured."""

    wire: Wire
    namespace: str
    out: TextIO
    err: TextIO
    now: Callable[[], datetime]
    live: bool = False

    def say(self, text: str, end: str = "\n") -> None:
        self.out.write(text + end)
        self.out.flush()

    def warn(self, text: str) -> None:
        self.err.write(f"{text}\n")

    async def get(self, resource: Resource, name: str) -> Obj:
        """The object; CommandFailed when it is not there."""
        try:
            return await self.wire.get(resource, self.namespace, name)
        except NotFound as error:
            if is_kind_missing(error):
                raise
            kind = resource.kind.lower()
            raise CommandFailed(f'{kind}.{resource.group} "{name}" not found') from error

    async def rollout(self, name: str) -> Obj:
        """The Rollout as the API server has it, NotFound in its own words."""
        return await self.wire.get(ROLLOUT, self.namespace, name)

    async def perform(self, operation: Operation, end: str = "\n") -> None:
        """Make the changes in their order, then print the message. The first refusal ends it."""
        for change in operation.changes:
            try:
                await self._send(change, change.subresource)
            except NotFound:
                if not change.subresource:
                    raise
                await self._send(change, "")
        self.say(operation.message, end)

    async def _send(self, change: Change, subresource: str) -> None:
        ref = change.ref
        await self.wire.patch(
            ref.resource, ref.namespace, ref.name, change.patch, type=change.type, subresource=subresource
        )


Command: TypeAlias = Callable[[Session, argparse.Namespace], Awaitable[None]]
"""What a name on the command line stands for. CommandFailed and ApiError end it with exit code 1."""
