"""`rollouts migrate`: a Deployment becomes a Rollout in place, or comes back. Only shows how, unless told to do it."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence

import yaml

from rollouts.cli.flags import Parser, access_of, add_kubectl_flags, seconds, spoken
from rollouts.kube.access import AccessError
from rollouts.kube.errors import ApiError
from rollouts.kube.refs import Obj
from rollouts.kube.wire import Wire
from rollouts.migrate.carry import Stopped, carry_out, scene_of
from rollouts.migrate.plan import MANIFEST, WORKLOAD_REF, CannotMigrate, Create, Step, back, forward

_ABOUT = """\
Turns a Deployment into a Rollout in place, and back with --undo. Users are served throughout: new pods are available
before old ones go, and whatever scales the one scales the other from then on.

Without --apply nothing is changed: it prints what would be done, with the manifest that would be created, as YAML.
A migration that was cut off is finished by running it again."""
_GITOPS = """\
Where manifests come from Git, put the Rollout there as well: otherwise the Deployment's old manifest comes back.
"""


def parser() -> Parser:
    root = Parser(
        prog="rollouts migrate",
        usage="%(prog)s DEPLOYMENT [flags]",
        description=_ABOUT,
        epilog=_GITOPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("deployment", metavar="DEPLOYMENT", help="name of the Deployment, also of one that is gone")
    root.add_argument("--name", default="", metavar="NAME", help="name of the Rollout (default: the Deployment's)")
    root.add_argument(
        "--mode",
        choices=(MANIFEST, WORKLOAD_REF),
        default=MANIFEST,
        help="manifest: the Rollout has the template, and the Deployment is deleted in the end; "
        "workload-ref: it refers to the Deployment, which stays without pods (default: manifest)",
    )
    root.add_argument(
        "--strategy", default="", metavar="FILE", help="YAML of spec.strategy, or of a Rollout that has it"
    )
    what = root.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="only show what would be done (the default)")
    what.add_argument("--apply", action="store_true", help="do it")
    root.add_argument("--undo", action="store_true", help="from the Rollout back to the Deployment")
    root.add_argument(
        "--timeout", type=seconds, default=600.0, metavar="TIME", help="how long to wait for pods (default: 10m)"
    )
    add_kubectl_flags(root, shown=True)
    return root


def run(argv: Sequence[str]) -> int:
    """One command line; the exit code: 0, or 1 after `Error: …` on stderr."""
    args = parser().parse_args(argv)
    try:
        asyncio.run(_connected(args))
        return 0
    except (AccessError, ApiError, CannotMigrate, Stopped, OSError, yaml.YAMLError) as error:
        print(f"Error: {spoken(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Error: cut off; run it again to go on, or with --undo to go back", file=sys.stderr)
        return 1


async def _connected(args: argparse.Namespace) -> None:
    from rollouts.kube.http import connect

    async with await connect(access_of(args), user_agent="rollouts-migrate") as wire:
        await migrate(wire, wire.namespace, args, lambda line: print(line, flush=True))


async def migrate(wire: Wire, namespace: str, args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """What the command line asks for. Raises CannotMigrate before anything is done, Stopped in the middle."""
    name = args.name or args.deployment
    scene = await scene_of(wire, namespace, args.deployment, name)
    try:
        if args.undo:
            steps = back(scene)
        else:
            steps = forward(scene, name, args.mode, _strategy(args.strategy) if args.strategy else None)
    except CannotMigrate as error:
        which = f"Rollout {namespace}/{name}" if args.undo else f"Deployment {namespace}/{args.deployment}"
        raise CannotMigrate(f"{which}: {error}") from error
    if not steps:
        say("# There is nothing left to do.")
    elif args.apply:
        await carry_out(wire, steps, say, args.timeout)
        say("done")
    else:
        _show(steps, say)


def _show(steps: Sequence[Step], say: Callable[[str], None]) -> None:
    """The plan as comments, then the manifests: what is printed can be read by kubectl."""
    for number, step in enumerate(steps, 1):
        say(f"# {number}. {step.text}")
    say("# Nothing has been changed; --apply does it.")
    for step in steps:
        if isinstance(step.action, Create):
            say("---")
            say(yaml.safe_dump(step.action.manifest, sort_keys=False).rstrip())


def _strategy(path: str) -> Obj:
    with open(path, encoding="utf-8") as file:
        written = yaml.safe_load(file)
    found = written if isinstance(written, dict) else {}
    found = (found.get("spec") or {}).get("strategy") or found.get("strategy") or found
    if not isinstance(found, dict) or not found.keys() & {"canary", "blueGreen"}:
        raise CannotMigrate(f"{path} holds no strategy: neither canary nor blueGreen")
    return found
