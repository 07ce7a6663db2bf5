"""The objects of `tests.cli.cluster` on a sandbox API server, with the ages that they are meant to have."""

import argparse
import io
from collections.abc import Iterable
from datetime import datetime

from analysis.schema import parse_time
from rollouts.cli.commands import parser
from rollouts.cli.plugin import load
from rollouts.cli.session import Session
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    CRD,
    DEPLOYMENT,
    EXPERIMENT,
    POD,
    REPLICA_SET,
    ROLLOUT,
    Obj,
    Resource,
)
from rollouts.kube.wire import PatchType
from rollouts.sandbox.apiserver.server import ApiServer
from tests.cli import cluster

_OURS = (ROLLOUT, EXPERIMENT, ANALYSIS_RUN, ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE)
_RESOURCES = {resource.kind: resource for resource in (*_OURS, POD, REPLICA_SET, DEPLOYMENT)}


class Served:
    """An API server whose clock stands at cluster.NOW, except while it takes in an object of a certain age."""

    def __init__(self, *, status_subresource: bool = True) -> None:
        self.now = cluster.NOW
        self.server = ApiServer(lambda: self.now, auto_create_namespaces=True)
        self._status_subresource = status_subresource
        self._uids: dict[str, str] = {}

    async def define(self) -> None:
        """The five kinds, with schemas that take anything."""
        for resource in _OURS:
            await self.server.create(CRD, "", _definition(resource, self._status_subresource))

    async def put(self, objs: Iterable[Obj]) -> None:
        """Owners before what they own; owner references are led to the uids that the server gives."""
        for obj in objs:
            self.now = _born(obj)
            resource, metadata = _RESOURCES[obj["kind"]], dict(obj["metadata"])
            owners = metadata.get("ownerReferences", [])
            metadata["ownerReferences"] = [
                {**owner, "uid": self._uids[owner["uid"]], "apiVersion": _RESOURCES[owner["kind"]].api_version}
                for owner in owners
            ]
            made = await self.server.create(resource, "cli", {**obj, "metadata": metadata})
            self._uids[obj["metadata"]["uid"]] = made["metadata"]["uid"]
            if resource in (POD, REPLICA_SET, ROLLOUT) and (self._status_subresource or resource is not ROLLOUT):
                patch = {"status": obj["status"]}
                await self.server.patch(
                    resource, "cli", made["metadata"]["name"], patch, type=PatchType.MERGE, subresource="status"
                )
        self.now = cluster.NOW

    async def get(self, resource: Resource, name: str) -> Obj:
        return await self.server.get(resource, "cli", name)

    async def run(self, *argv: str, out: io.StringIO | None = None, live: bool = False) -> str:
        """What a command prints to stdout, run in this process with the clock at NOW; `live`: on a terminal."""
        args, out = parse(*argv), out or io.StringIO()
        await load(args.command)(Session(self.server, "cli", out, io.StringIO(), lambda: cluster.NOW, live), args)
        return out.getvalue()


def parse(*argv: str) -> argparse.Namespace:
    return parser().parse_args(argv)


def _born(obj: Obj) -> datetime:
    return parse_time(obj["metadata"]["creationTimestamp"])


def _definition(resource: Resource, status_subresource: bool) -> Obj:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version: Obj = {"name": resource.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    if resource is ROLLOUT and status_subresource:
        version["subresources"] = {"status": {}}
    return {
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {"plural": resource.plural, "kind": resource.kind},
            "versions": [version],
        },
    }
