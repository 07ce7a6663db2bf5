"""Stories are told quietly: only what goes wrong is printed, and an error that nobody foresaw fails the story."""

import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Print warnings on one line each. A logged exception means that some part of the program broke."""
    broken: list[str] = []

    def notice(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if entry.get("exc_info"):
            broken.append(str(structlog.processors.format_exc_info(_, __, dict(entry))))
            entry.pop("exc_info")
        return entry

    structlog.configure(
        processors=[notice, structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    yield
    structlog.reset_defaults()
    assert broken == []
