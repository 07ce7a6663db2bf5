"""Marks that say where tests run.

`@pytest.mark.virtual` (on a test, or as a module's `pytestmark`) runs async tests where waiting is free.
`@pytest.mark.cluster` runs tests on a real control plane, and only when they are asked for: `make test-cluster`.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import structlog
from hypothesis import HealthCheck, settings

from rollouts.sandbox.clock import VirtualLoop

settings.register_profile(
    "same each time, however slow the machine is",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same each time, however slow the machine is")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write anew what a real API server answers")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: run this test on a real control plane, if asked for with -m cluster")
    config.addinivalue_line("markers", "at_length: a story on a real control plane that .ci/run leaves out, for time")
    if not config.option.markexpr:
        config.option.markexpr = "not cluster"
    config.addinivalue_line("markers", "virtual: run this async test on a loop whose time jumps to the next timer")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual"):
        return {"virtual": VirtualLoop}
    return {"wall": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command under test sets up logging to a stderr that is closed after it: later tests must not log there."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
