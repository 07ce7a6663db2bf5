"""The whole demo as a person starts it: its exit code, its course and its table come from real requests."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rollouts.sandbox.demo.routers import ROUTERS
from rollouts.sandbox.prometheus_binary import PrometheusMissing, find_or_install

DEFAULT = "istio"
STEPS = {router: [10, 30, 50] if router == "none" else [10, 25, 50] for router in ROUTERS}
"""The shares at which the good release pauses."""
LONGEST = 180.0
"""Seconds that the demo may take, its set-up not counted."""


@pytest.fixture(scope="module")
def demos() -> Iterator[dict[str, Future[str]]]:
    """What the demo prints through each router. Two play at a time, because most of a demo is waiting."""
    try:
        find_or_install()
    except PrometheusMissing as missing:
        pytest.skip(str(missing))
    stage = ThreadPoolExecutor(max_workers=2)
    yield {name: stage.submit(played, name) for name in ROUTERS}
    stage.shutdown(cancel_futures=True)


def played(router: str) -> str:
    """One demo from its beginning to its end."""
    arguments = [] if router == DEFAULT else ["--router", router]
    with subprocess.Popen(
        [sys.executable, "-m", "rollouts", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as demo:
        try:
            printed, _ = demo.communicate(timeout=LONGEST + 60)
        except subprocess.TimeoutExpired:
            os.killpg(demo.pid, signal.SIGKILL)  # with everything that it started
            raise
    assert demo.returncode == 0, printed
    return printed


@pytest.fixture(scope="module", params=list(ROUTERS))
def router(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def said(demos: dict[str, Future[str]], router: str) -> str:
    """What the demo through this router printed on its way, played once for all tests here."""
    return demos[router].result()


@pytest.fixture(scope="module")
def table(said: str) -> dict[str, list[str]]:
    """The closing table: the cells of each release by its version."""
    lines = said.split("What became of the releases")[1].splitlines()
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines if re.match(r" *\d\.0\.0 ", line)]
    return {row[0].split()[0]: row[1:] for row in rows}


def test_the_good_release_is_promoted_and_the_bad_ones_are_taken_back(table: dict[str, list[str]]) -> None:
    assert {version: row[0] for version, row in table.items()} == {
        "1.0.0": "✔ promoted",
        "2.0.0": "✔ promoted",
        "3.0.0": "✔ aborted: success-rate",
        "4.0.0": "✔ aborted: latency-p99",
    }


def test_only_the_faulty_release_costs_errors_and_only_in_its_share(table: dict[str, list[str]]) -> None:
    errors = {version: int(row[3]) for version, row in table.items()}
    requests = {version: int(row[2]) for version, row in table.items()}
    assert {version for version, number in errors.items() if number} == {"3.0.0"}
    assert 0.002 < errors["3.0.0"] / requests["3.0.0"] < 0.05
    assert all(number > 100 for number in requests.values())


def test_the_good_release_went_out_in_steps(said: str, router: str) -> None:
    course = said.split("release 2.0.0")[1].split("release 3.0.0")[0]
    paused = re.findall(r"Paused: .* (\d+) % to the canary", course)
    assert [int(weight) for weight in paused] == STEPS[router]
    assert re.findall(r"(\d+) % to the canary", course)[-1] == "0"


def test_a_router_knows_no_share_but_those_of_the_steps(said: str, router: str) -> None:
    weights = {int(weight) for weight in re.findall(r"(\d+) % to the canary", said)}
    assert weights >= {0, *STEPS[router]}
    assert router == "none" or weights <= {0, *STEPS[router], 100}, "where shares are pods, there are others on the way"


def test_it_is_over_in_time_and_writes_plain_lines_to_a_pipe(said: str) -> None:
    stamps = [float(stamp) for stamp in re.findall(r"^ *(\d+\.\d)s  ", said, re.MULTILINE)]
    assert stamps == sorted(stamps)
    assert stamps[-1] < LONGEST
    assert "\x1b" not in said
