"""Pure. What a regular expression is once it has been read: states, each of which leads to others."""

from dataclasses import dataclass, field

from analysis.expr.regex.charclass import RegexError

MAX_STATES = 20_000


@dataclass(slots=True)
class Program:
    """A compiled expression. A state is (member, next), (assertion, next), (first, second) or None for a match."""

    states: list[tuple[str, object, int]] = field(default_factory=list)
    start: int = 0

    def add(self, kind: str, what: object, following: int) -> int:
        """Add a state and return its number."""
        if len(self.states) >= MAX_STATES:
            raise RegexError("expression too large")
        self.states.append((kind, what, following))
        return len(self.states) - 1
