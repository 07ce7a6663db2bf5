"""Pure. What was said of one object for one reason since its last Event, and which reasons are told in one.

Every reason stands by itself, because alerts, exporters and people filter by it. Two alone join another one, since they
say the same of the same object a second time (`JOINS`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

Severity: TypeAlias = Literal["Normal", "Warning"]

BEGIN = "RolloutUpdated"
ENDS = frozenset({"RolloutCompleted", "RolloutAborted"})
JOINS = {"Updated VirtualService": "TrafficWeightUpdated", "MetricSuccessful": "AnalysisRunSuccessful"}

LONGEST_MESSAGE = 1024
_LEAD = 32
"""Letters kept free for how many texts are left out."""


class Said(Protocol):
    """What a decision says of an object: whatever has these three is told by an Event."""

    @property
    def type(self) -> Severity: ...
    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Telling:
    """A `Said` that is nothing else."""

    type: Severity
    reason: str
    message: str


@dataclass(slots=True)
class Note:
    """What one Event will tell. `serial` numbers the last time that it was said, in the order of everything said."""

    type: Severity
    reason: str
    texts: list[str]
    first: datetime
    last: datetime
    serial: int
    count: int = 1
    left_out: int = 0

    @property
    def message(self) -> str:
        """The distinct texts in the order they were said; the earliest give way when they are too long together."""
        lead = f"({self.left_out} earlier); " if self.left_out else ""
        return (lead + "; ".join(self.texts))[:LONGEST_MESSAGE]

    def join(self, other: "Note") -> None:
        """Tell what the other one tells, too."""
        self.texts += [text for text in other.texts if text not in self.texts]
        while len(self.texts) > 1 and sum(len(text) + 2 for text in self.texts) > LONGEST_MESSAGE - _LEAD:
            del self.texts[0]
            self.left_out += 1
        self.count += other.count
        self.left_out += other.left_out
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.serial = max(self.serial, other.serial)


def joined(notes: Iterable[Note]) -> list[Note]:
    """The notes with those that join another one put into it. What was said last stands by itself: it is what somebody
    who follows the Events waits for."""
    kept = list(notes)
    last = max(kept, key=lambda note: note.serial, default=None)
    for note in list(kept):
        into = JOINS.get(note.reason)
        host = next((other for other in kept if other.reason == into and other.type == note.type), None)
        if host is not None and note is not last:
            host.join(note)
            kept.remove(note)
    return kept
