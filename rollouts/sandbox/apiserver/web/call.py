"""One request for a resource: read as far as all verbs need it, and answered in the form that it asks for."""

import asyncio
from collections.abc import Mapping
from typing import Any, TypedDict

from aiohttp import web

from rollouts.kube.refs import Obj
from rollouts.kube.wire import WatchEvent
from rollouts.sandbox.apiserver.refusals import (
    bad_request,
)
from rollouts.sandbox.apiserver.server import ApiServer, Client, Options
from rollouts.sandbox.apiserver.web import bodies
from rollouts.sandbox.apiserver.web.requests import (
    Form,
    Target,
    is_dry_run,
    manager_of,
)


class Selectors(TypedDict):
    label_selector: str
    field_selector: str


class Call:
    """One request for a resource, read as far as all verbs need it."""

    def __init__(
        self, server: ApiServer, request: web.Request, target: Target, form: Form, watches: set[asyncio.Timeout]
    ) -> None:
        self.server, self.request, self.target, self.form = server, request, target, form
        self.watches = watches
        self.query: Mapping[str, str] = request.query
        self.agent = request.headers.get("User-Agent", "")
        self.client: Client = server.as_user(self.agent.split("/", 1)[0])
        self.warnings: list[str] = []
        self._headed = False

    @property
    def place(self) -> tuple[str, str]:
        return self.target.namespace, self.target.name

    @property
    def selectors(self) -> Selectors:
        return {
            "label_selector": self.query.get("labelSelector", ""),
            "field_selector": self.query.get("fieldSelector", ""),
        }

    @property
    def kind(self) -> str:
        """What the options of this write are called."""
        return {"POST": "CreateOptions", "PUT": "UpdateOptions"}.get(self.request.method, "PatchOptions")

    @property
    def manager(self) -> str:
        return manager_of(self.query, self.agent, self.kind)

    def options(self) -> Options:
        validation = self.query.get("fieldValidation", "")
        if validation not in ("", "Ignore", "Warn", "Strict"):
            raise bad_request(f'Invalid value: "{validation}": fieldValidation: must be Ignore, Warn or Strict')
        return {
            "dry_run": is_dry_run(self.request.query.getall("dryRun", []), self.kind),
            "field_validation": validation or "Warn",
            "warnings": self.warnings,
        }

    async def body(self) -> Obj:
        media = self.request.content_type if "Content-Type" in self.request.headers else ""
        return bodies.read_object(await self.request.read(), media)

    def answer(self, obj: Obj, status: int = 200) -> web.Response:
        shown = bodies.one(self.target.served, obj, self.form, self.server.now(), self.include())
        return self._response(shown, status)

    def answer_list(self, listing: Any) -> web.Response:
        shown = bodies.many(self.target.served, listing, self.form, self.server.now(), self.include())
        return self._response(shown, 200)

    def shown_event(self, event: WatchEvent) -> bytes:
        obj = event.object
        if event.type != "BOOKMARK" or not self.form.shape:
            obj = bodies.one(self.target.served, obj, self.form, self.server.now(), self.include())
            if obj.get("kind") == "Table":
                obj, self._headed = ({**obj, "columnDefinitions": None} if self._headed else obj), True
        elif self.form.shape == "Table":
            kind: Obj = {"kind": "Table", "apiVersion": f"meta.k8s.io/{self.form.version}"}
            obj = kind | {
                "metadata": obj["metadata"],
                "columnDefinitions": None,
                "rows": [{"cells": [], "object": obj}],
            }
        return bodies.write({"type": event.type, "object": obj}) + b"\n"

    def include(self) -> Any:
        return bodies.include_of(self.query.get("includeObject", ""))

    def _response(self, body: Obj, status: int) -> web.Response:
        response = web.Response(
            body=bodies.write_yaml(body) if self.form.yaml else bodies.write(body),
            status=status,
            headers={"Content-Type": bodies.YAML_MEDIA if self.form.yaml else bodies.JSON_MEDIA},
        )
        for text in self.warnings:
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{escaped}"')
        return response
