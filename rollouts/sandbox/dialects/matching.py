"""Pure. What dialects have in common: conditions on requests, and the refusal of what the sandbox cannot do."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rollouts.sandbox.routing import Request

Test: TypeAlias = Callable[[Request], bool]
Text: TypeAlias = Callable[[str | None], bool]
"""A condition on a text that may be absent."""


class Unsupported(ValueError):
    """A field that the sandbox's gateway cannot honour; the message is its path and what is possible instead."""


@contextmanager
def shaped() -> Iterator[None]:
    """Reading an object that has not the shape of its kind is Unsupported, and no error of the gateway."""
    try:
        yield
    except Unsupported:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unsupported(f"has not the shape of its kind: {error!r}") from error


def text_of(value: object) -> str:
    """The value, which has to be a text."""
    if not isinstance(value, str):
        raise Unsupported(f"has not the shape of its kind: {value!r} is no text")
    return value


def always(request: Request) -> bool:
    return True


def all_of(tests: Iterable[Test]) -> Test:
    """All conditions hold together; none is no condition."""
    found = tuple(tests)
    return lambda request: all(test(request) for test in found)


def any_of(tests: Iterable[Test]) -> Test:
    """One of the conditions holds; none is no condition."""
    found = tuple(tests)
    return (lambda request: any(test(request) for test in found)) if found else always


def there(text: str | None) -> bool:
    return text is not None


def exactly(wanted: str) -> Text:
    return lambda text: text == wanted


def beginning(wanted: str) -> Text:
    return lambda text: text is not None and text.startswith(wanted)


def like(path: str, pattern: str, flags: int = 0) -> Text:
    """The whole text matches. Unsupported, with the path of the field, when it is no regular expression."""
    try:
        compiled = re.compile(pattern, flags)
    except re.error as error:
        raise Unsupported(f"{path}: {error}") from error
    return lambda text: text is not None and compiled.fullmatch(text) is not None


def under(prefix: str) -> Test:
    """The path is the prefix or below it, element by element: `/a` takes `/a` and `/a/b`, not `/ab`."""
    whole = prefix.rstrip("/")
    below = f"{whole}/"
    return lambda request: request.path == whole or request.path.startswith(below)


def header(name: str, text: Text) -> Test:
    """Header names do not heed case."""
    key = name.lower()
    return lambda request: text(request.headers.get(key))


def query(name: str, text: Text) -> Test:
    return lambda request: text(request.query.get(name))
