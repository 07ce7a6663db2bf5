"""`@pytest.mark.virtual` (on a test, or as a module's `pytestmark`) runs async tests where waiting is free."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from rollouts.sandbox.clock import VirtualLoop


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual: run this async test on a loop whose time jumps to the next timer")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual"):
        return {"virtual": VirtualLoop}
    return {"wall": asyncio.new_event_loop}
