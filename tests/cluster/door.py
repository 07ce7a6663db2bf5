"""An API server as HTTP clients meet it: paths, headers and bodies, without a Wire in between."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import yaml

from rollouts.kube.refs import Obj

PROTOBUF = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
NAMES = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
LISTED_NAMES = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

_LONGEST_WATCH = 60.0
_AFTERMATH = 0.4
"""Seconds in which nothing more is to come."""

FORMS = {TABLE: "(table)", NAMES: "(metadata)", LISTED_NAMES: "(metadata)"}
"""Their names in transcripts."""


@dataclass(frozen=True)
class Answer:
    """Status, the headers that clients look at, and the body: parsed, where it is JSON."""

    status: int
    body: Any
    media: str
    warnings: tuple[str, ...] = ()

    def told(self) -> Obj:
        """For a transcript."""
        said: Obj = {"status": self.status, "media": self.media, "body": self.body}
        return said | ({"warnings": list(self.warnings)} if self.warnings else {})


class Door:
    """The API server of a kubeconfig."""

    def __init__(self, session: aiohttp.ClientSession, server: str, headers: Mapping[str, str], trust: Any) -> None:
        self._session, self._server, self._headers, self._trust = session, server, headers, trust

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, accept: str = "", media: str = "", user: str = ""
    ) -> Answer:
        """One request: which form of answer it takes, of which form its body is, and whom it impersonates."""
        named = {"Accept": accept, "Content-Type": media, "Impersonate-User": user}
        headers = {**self._headers, **{key: value for key, value in named.items() if value}}
        async with self._session.request(
            method, self._server + path, data=body or None, headers=headers, ssl=self._trust
        ) as answer:
            content, media = await answer.read(), answer.content_type
            said = _read(content, media)
            return Answer(
                answer.status, said, answer.headers.get("Content-Type", ""), tuple(answer.headers.getall("Warning", []))
            )

    async def events(self, path: str, count: int, *, accept: str = "") -> list[Obj]:
        """What a watch tells, bookmarks left out that only say how far it is: so many events, and whatever follows
        them at once. A watch that is refused tells one event, REFUSED.
        """
        headers = {**self._headers, **({"Accept": accept} if accept else {})}
        async with self._session.get(self._server + path, headers=headers, ssl=self._trust) as answer:
            if answer.status != 200:
                return [{"type": "REFUSED", "object": await answer.json()}]
            told: list[Obj] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_WATCH if count else _AFTERMATH) as bound:
                    async for line in answer.content:
                        told += [event for event in (json.loads(line),) if not _is_progress(event)]
                        if len(told) >= count:
                            bound.reschedule(asyncio.get_running_loop().time() + _AFTERMATH)
            return told


def _is_progress(event: Obj) -> bool:
    ends = (event["object"]["metadata"].get("annotations") or {}) if event["type"] == "BOOKMARK" else None
    return ends is not None and "k8s.io/initial-events-end" not in ends


def _read(content: bytes, media: str) -> Any:
    """A body as far as it can be compared: protobuf is only said to be that."""
    if media == PROTOBUF:
        return "(protobuf)" if content.startswith(MAGIC) else "(protobuf without its mark)"
    text = content.decode()
    try:
        return yaml.safe_load(text) if media == "application/yaml" else json.loads(text)
    except ValueError:
        return text


@asynccontextmanager
async def door(config: Obj) -> AsyncIterator[Door]:
    """The door of a kubeconfig, as parsed."""
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = cluster.get("certificate-authority-data")
    trust: Any = ssl.create_default_context(cadata=base64.b64decode(authority).decode()) if authority else True
    headers = {"Accept": "application/json", "User-Agent": "cluster-test/1"}
    if "token" in user:
        headers["Authorization"] = f"Bearer {user['token']}"
    async with aiohttp.ClientSession() as session:
        yield Door(session, cluster["server"], headers, trust)
