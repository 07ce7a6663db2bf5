"""What an API server's audit log says of its clients: requests, counted while the log grows."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rollouts.sandbox.apiserver.server import Request


class AuditLog:
    """Counts the requests of one client. `actor`: its user agent without the version.

    The lines of everybody else are not even parsed: they are many, and the machine is shared.
    """

    def __init__(self, path: Path, actor: str) -> None:
        self._path, self._actor = path, actor
        self._mark = f'"userAgent":"{actor}/'.encode()
        self._position = 0
        self._counted: Counter[Request] = Counter()

    def requests(self) -> Mapping[Request, int]:
        """All that was answered so far. A line that is not yet written to its end is left for the next time."""
        with self._path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._position += len(line)
                if self._mark in line and (request := self._answered(json.loads(line))):
                    self._counted[request] += 1
        return self._counted

    def _answered(self, entry: Mapping[str, object]) -> Request | None:
        """The request of an entry; None where it tells only that one has come, or of a path that is no resource."""
        about = entry.get("objectRef")
        if entry.get("stage") != "ResponseComplete" or not isinstance(about, dict):
            return None
        return Request(self._actor, str(entry["verb"]), str(about.get("resource")), str(about.get("subresource", "")))
