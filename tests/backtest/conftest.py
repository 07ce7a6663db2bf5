"""A real Prometheus with made history, for all tests of a module."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rollouts.sandbox.prometheus_binary import PrometheusMissing, find_or_install
from tests.backtest.past import serving


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        find_or_install("promtool")
    except PrometheusMissing as missing:
        pytest.skip(str(missing))
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        context = serving(tmp_path_factory.mktemp("prometheus"))
        url = runner.run(context.__aenter__())
        stack.callback(lambda: runner.run(context.__aexit__(None, None, None)))
        yield url
