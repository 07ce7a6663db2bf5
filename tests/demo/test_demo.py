"""The whole demo as a person starts it: its exit code, its course and its table come from real requests."""

import os
import re
import signal
import subprocess
import sys

import pytest

from rollouts.sandbox.prometheus_binary import PrometheusMissing, find_or_install

LONGEST = 180.0
"""Seconds that the demo may take, its set-up not counted."""


@pytest.fixture(scope="module")
def said() -> str:
    """What the demo prints on its way, played once for all tests here."""
    try:
        find_or_install()
    except PrometheusMissing as missing:
        pytest.skip(str(missing))
    with subprocess.Popen(
        [sys.executable, "-m", "rollouts", "demo"],
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


def test_the_good_release_went_out_in_steps(said: str) -> None:
    course = said.split("release 2.0.0")[1].split("release 3.0.0")[0]
    weights = [int(weight) for weight in re.findall(r"(\d+) % to the canary", course)]
    assert sorted(set(weights) - {0, 100}) == [10, 25, 50]
    assert weights[-1] == 0


def test_it_is_over_in_time_and_writes_plain_lines_to_a_pipe(said: str) -> None:
    stamps = [float(stamp) for stamp in re.findall(r"^ *(\d+\.\d)s  ", said, re.MULTILINE)]
    assert stamps == sorted(stamps)
    assert stamps[-1] < LONGEST
    assert "\x1b" not in said
