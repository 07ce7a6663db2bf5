"""Pure. What waits to be said of one object: kept together by reason, apart where it must not be mixed, and when it is
due."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rollouts.kube.events.due import AT_ONCE, Due, Patience
from rollouts.kube.events.note import BEGIN, Note
from rollouts.kube.refs import Obj


@dataclass(slots=True)
class Batch:
    """`closed` is how many notes, from the first on, are complete: what is said of the same reason from now on becomes
    a note of its own. `about` refers to the object."""

    about: Obj
    notes: list[Note] = field(default_factory=list)
    due: Due = field(default_factory=Due)
    closed: int = 0

    def take(self, said: Sequence[tuple[Note, Patience]], now: float) -> None:
        """Take in what one pass has to say. A Warning that is posted at once is news: with the rest of its pass it is
        told apart from what was said before and after. So is an update, from what was said before it."""
        news = any(patience.none for _, patience in said)
        if news or any(note.reason == BEGIN for note, _ in said):
            self._close()
        for note, patience in said:
            self._add(note)
            self.due = self.due.after(patience, now)
        if news:
            self._close()

    def _add(self, note: Note) -> None:
        for held in self.notes[self.closed :]:
            if (held.type, held.reason) == (note.type, note.reason):
                return held.join(note)
        return self.notes.append(note)

    def _close(self) -> None:
        self.closed = len(self.notes)

    def again(self, unsaid: Iterable[Note], since: "Batch | None") -> "Batch":
        """What could not be said of this batch, and after it what has been said since: due at once."""
        batch = Batch(self.about, list(unsaid), AT_ONCE)
        for note in since.notes if since else ():
            batch._add(note)
        return batch
