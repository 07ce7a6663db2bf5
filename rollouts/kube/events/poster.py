"""One note becomes one call: an Event is created, or the one that says the same, word for word, is counted up."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from rollouts.kube.errors import AlreadyExists, NotFound
from rollouts.kube.events.manifest import counted, event, name_for, named, namespace_for
from rollouts.kube.events.note import Note
from rollouts.kube.refs import EVENT, Obj
from rollouts.kube.wire import Wire

REMEMBERED = 4096

Words: TypeAlias = tuple[str, str, str, str]
"""Of which object, severity, reason, message."""


@dataclass(slots=True)
class _Posted:
    name: str
    count: int


class Poster:
    """Posts notes and remembers the words of the last few thousand Events."""

    def __init__(self, wire: Wire, component: str) -> None:
        self._wire = wire
        self._component = component
        self._posted: OrderedDict[Words, _Posted] = OrderedDict()
        self._serials = count(1)

    def times(self, words: Words) -> int:
        """How often this has been posted."""
        posted = self._posted.get(words)
        return posted.count if posted else 0

    async def post(self, about: Obj, note: Note) -> None:
        """Raises what the API server refuses, and that it cannot be reached."""
        words = (named(about), note.type, note.reason, note.message)
        posted = self._posted.get(words)
        if posted is None or not await self._counted_up(about, posted, note):
            self._posted.pop(words, None)
            posted = _Posted(await self._created(about, note), note.count)
        self._remember(words, posted)

    def _remember(self, words: Words, posted: _Posted) -> None:
        self._posted[words] = posted
        self._posted.move_to_end(words)
        if len(self._posted) > REMEMBERED:
            self._posted.popitem(last=False)

    async def _counted_up(self, about: Obj, posted: _Posted, note: Note) -> bool:
        total = posted.count + note.count
        try:
            await self._wire.patch(EVENT, namespace_for(about), posted.name, counted(total, note))
        except NotFound:  # API servers forget Events after an hour
            return False
        posted.count = total
        return True

    async def _created(self, about: Obj, note: Note) -> str:
        while True:
            name = name_for(about, note, next(self._serials))
            try:
                await self._wire.create(EVENT, namespace_for(about), event(name, about, note, self._component))
            except AlreadyExists:
                continue
            return name
