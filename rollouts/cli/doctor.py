"""`rollouts doctor gitops`: the ignore rules by which a GitOps tool and the controller can work on the same objects."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import yaml
from pydantic import ValidationError

from rollouts.cli.flags import Parser, access_of, add_kubectl_flags, spoken
from rollouts.cli.routers import GROUPED, add_router_flags, given_settings, traffic_settings
from rollouts.kube.access import AccessError
from rollouts.kube.errors import ApiError
from rollouts.kube.refs import ROLLOUT, Obj
from rollouts.traffic.gitops import Touched, argo_cd, flux

if TYPE_CHECKING:
    from rollouts.traffic.base import TrafficSettings

    Found: TypeAlias = tuple[list[Obj], TrafficSettings, str]
    """Rollouts, how their routers are read, and what to tell the user of that."""

_ABOUT = """\
Prints the ignore rules that a GitOps tool needs for the objects which a Rollout writes to: Services, and the routing
objects that its canary names. Without them the tool takes weights back while an update is under way.

Reads the Rollouts of manifests (-f), or those of the cluster. Nothing is changed."""
_HINTS = {
    "argocd": "# Goes into spec of the Application that holds these objects.\n",
    "flux": (
        "# Goes into spec of the Kustomization that holds these objects; in a HelmRelease, under spec.driftDetection.\n"
        "# Flux cannot ignore single items of a list: where a list is named, its changes in Git have to be applied\n"
        "# while no update is under way, by taking the rule away for that time.\n"
    ),
}
_FORMS: dict[str, Callable[[Iterable[Touched]], Obj]] = {"argocd": argo_cd, "flux": flux}


class Unreadable(Exception):
    """A manifest that holds no Rollout that could be understood. The text is for the user."""


def parser() -> Parser:
    root = Parser(
        prog="rollouts doctor gitops",
        usage="%(prog)s [ROLLOUT ...] [flags]",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("names", nargs="*", metavar="ROLLOUT", help="only these (default: all of the namespace)")
    root.add_argument("-f", "--filename", dest="files", action="append", metavar="FILE", help="manifests (-: stdin)")
    root.add_argument("--for", dest="tool", choices=tuple(_FORMS), default="argocd", help="the tool (default: argocd)")
    add_router_flags(root)
    add_kubectl_flags(root, shown=True)
    return root


def run(argv: Sequence[str]) -> int:
    """One command line; the exit code: 0, or 1 after `Error: …` on stderr."""
    args = parser().parse_args(argv)
    try:
        rollouts, settings, note = _written(args) if args.files else asyncio.run(_living(args))
        if note:
            print(note, file=sys.stderr)
        print(rules(rollouts, args.names, args.tool, settings), end="")
        return 0
    except (AccessError, ApiError, OSError, Unreadable, yaml.YAMLError) as error:
        print(f"Error: {spoken(error)}", file=sys.stderr)
        return 1


def rules(manifests: Sequence[Obj], names: Sequence[str], tool: str, settings: "TrafficSettings | None" = None) -> str:
    """The rules for these Rollouts as YAML under a comment. Unreadable when one of `names` is not among them."""
    from rollouts.api.rollout import Rollout
    from rollouts.traffic.base import TrafficSettings
    from rollouts.traffic.gitops import touched

    chosen = [manifest for manifest in manifests if not names or manifest["metadata"]["name"] in names]
    for name in set(names) - {manifest["metadata"]["name"] for manifest in chosen}:
        raise Unreadable(f"there is no Rollout {name}")
    if not chosen:
        raise Unreadable("there is no Rollout; name one with -f FILE, or its namespace with -n")
    found: list[Touched] = []
    for manifest in chosen:
        try:
            found += touched(Rollout.model_validate(manifest), settings or TrafficSettings())
        except ValidationError as error:
            raise Unreadable(f"Rollout {manifest['metadata']['name']}: {error}") from error
    return _HINTS[tool] + yaml.safe_dump(_FORMS[tool](found), sort_keys=False, width=120)


def _written(args: argparse.Namespace) -> "Found":
    texts = (sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8") for file in args.files)
    documents = [document for text in texts for document in yaml.safe_load_all(text) if isinstance(document, dict)]
    items = [item for document in documents for item in document.get("items") or (document,)]
    found = [item for item in items if item.get("kind") == ROLLOUT.kind]
    if any(not (item.get("metadata") or {}).get("name") for item in found):
        raise Unreadable("a Rollout has no metadata.name")
    return found, given_settings(args), ""


async def _living(args: argparse.Namespace) -> "Found":
    from rollouts.kube.http import connect

    async with await connect(access_of(args), user_agent="rollouts-doctor") as wire:
        found = list((await wire.list(ROLLOUT, wire.namespace)).items)
        return found, *await traffic_settings(wire, wire.namespace, args, found, GROUPED)
