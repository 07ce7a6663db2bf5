"""Pure. Where a parser is in its tokens, and what it may ask of the next ones."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from analysis.expr.errors import CompileError
from analysis.expr.tokens import Kind, Token


@dataclass(slots=True)
class Cursor:
    """Tokens read one after another. What is asked for and is not there is a CompileError; `next_is…` only asks, and
    reads on when it is there."""

    unread: Iterator[Token]
    ahead: deque[Token] = field(default_factory=deque)

    def peek(self, distance: int) -> Token:
        """A token ahead. They are read as they are needed, so that of a bad token and a bad order the first is told."""
        while len(self.ahead) <= distance:
            self.ahead.append(next(self.unread))
        return self.ahead[distance]

    @property
    def current(self) -> Token:
        return self.peek(0)

    def next(self) -> Token:
        token = self.current
        if token.kind is not Kind.EOF:
            self.ahead.popleft()
        return token

    def unexpected(self, token: Token | None = None) -> CompileError:
        token = token or self.current
        return CompileError(f"unexpected token {token}", token.at)

    def bracket(self, text: str) -> None:
        if not self.next_is_bracket(text):
            raise self.unexpected()

    def operator(self, text: str) -> None:
        if not self.next_is_operator(text):
            raise self.unexpected()

    def next_is_bracket(self, text: str) -> bool:
        found = self.current.is_bracket(text)
        if found:
            self.next()
        return found

    def next_is_operator(self, text: str) -> bool:
        found = self.current.is_operator(text)
        if found:
            self.next()
        return found

    def identifier(self) -> Token:
        if self.current.kind is not Kind.IDENTIFIER:
            raise self.unexpected()
        return self.next()
