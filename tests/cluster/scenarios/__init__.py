"""Courses of calls to an API server. Each is a coroutine function whose name says what it is about."""

import importlib
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tests.cluster.recorder import Recorder

Scenario: TypeAlias = Callable[[Recorder], Awaitable[None]]
TOPICS = (
    "objects",
    "patches",
    "deletion",
    "definitions",
    "builtins",
    "applying",
    "subresources",
    "evictions",
    "selecting",
    "http",
    "negotiation",
    "options",
    "tables",
    "rights",
    "streams",
)


def scenarios() -> list[tuple[str, Scenario]]:
    """(topic, scenario) of all of them."""
    found = []
    for topic in TOPICS:
        module = importlib.import_module(f"tests.cluster.scenarios.{topic}")
        found += [
            (topic, value)
            for value in vars(module).values()
            if inspect.iscoroutinefunction(value)
            and value.__module__ == module.__name__
            and not value.__name__.startswith("_")
        ]
    return found
