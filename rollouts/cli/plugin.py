"""`kubectl argo rollouts …`: one command line, from its words to its exit code."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from rollouts.cli.commands import parser
from rollouts.cli.flags import access_of


def main() -> None:
    """Entry point of the executable `kubectl-argo-rollouts`."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """0, or 1 after `Error: …` on stderr. Raises SystemExit for --help (0) and for a line that nobody can read (1)."""
    root = parser()
    args = root.parse_args(argv)
    if "command" not in args:
        root.print_help()
        return 0
    if args.offline:
        return load(args.command)(args) or 0
    return _with_cluster(args)


def _with_cluster(args: argparse.Namespace) -> int:
    import asyncio

    from rollouts.cli.session import CommandFailed
    from rollouts.kube.access import AccessError
    from rollouts.kube.errors import ApiError, is_kind_missing
    from rollouts.operations import NotPossible

    try:
        asyncio.run(_connected(args))
        return 0
    except (AccessError, ApiError, CommandFailed, NotPossible) as error:
        hint = " (are the CustomResourceDefinitions installed?)" if is_kind_missing(error) else ""
        print(f"Error: {error}{hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # the reader has seen enough; keep the interpreter from flushing into the void at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


async def _connected(args: argparse.Namespace) -> None:
    from datetime import UTC, datetime

    from rollouts.cli.session import Session
    from rollouts.kube.http import connect

    _log_to_stderr(getattr(args, "loglevel", "warn"))
    async with await connect(access_of(args), user_agent="kubectl-argo-rollouts") as wire:
        session = Session(
            wire, wire.namespace, sys.stdout, sys.stderr, lambda: datetime.now(UTC), live=sys.stdout.isatty()
        )
        await load(args.command)(session, args)


def load(command: str) -> Any:
    """The function behind `module:function`, a `rollouts.cli.session.Command` unless it is offline."""
    module, _, name = command.partition(":")
    return getattr(import_module(module), name)


def _log_to_stderr(level: str) -> None:
    """Logs must not mix with what a command prints."""
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
