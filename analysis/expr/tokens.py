"""Pure. What the lexer hands to the parser."""

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What sort of token it is."""

    IDENTIFIER = auto()
    NUMBER = auto()
    STRING = auto()
    BYTES = auto()
    OPERATOR = auto()
    BRACKET = auto()
    EOF = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `text` is the source of it, or the decoded text of a string literal."""

    kind: Kind
    text: str
    at: int

    def is_operator(self, *texts: str) -> bool:
        """Whether this is one of these operators."""
        return self.kind is Kind.OPERATOR and self.text in texts

    def is_bracket(self, text: str) -> bool:
        """Whether this is that bracket."""
        return self.kind is Kind.BRACKET and self.text == text

    def __str__(self) -> str:
        if self.kind is Kind.EOF:
            return "EOF"
        if not self.text:
            return self.kind.name.title()
        quoted = '"' + self.text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{self.kind.name.title()}({quoted})"
