"""What a person at the terminal reads while releases move, and in the end."""

import io
import re

from rich.console import Console

from rollouts.kube.refs import Obj
from rollouts.sandbox.demo.frame import frame, measurements, seen_by_users, step_name
from rollouts.sandbox.demo.releases import RELEASES, Verdict
from rollouts.sandbox.demo.screen import LiveScreen, Outcome, Screen
from rollouts.sandbox.manifests import manifest
from rollouts.sandbox.stats import Stats

GOOD, FAULTY, _ = RELEASES
RUN: Obj = {
    "metadata": {"name": "api-2-2", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "status": {
        "metricResults": [
            {
                "name": "success-rate",
                "measurements": [
                    {"phase": "Successful", "value": "[1]"},
                    {"phase": "Failed", "value": "[0.9012345]"},
                    {"phase": "Error", "value": ""},
                ],
            },
            {"name": "latency-p99", "measurements": [{"phase": "Successful", "value": "[0.0049]"}]},
        ]
    },
}


def moment(step: int = 1, weight: int = 10, **status: object) -> tuple[Obj, int]:
    """A Rollout, and the share of its canary."""
    (rollout,) = manifest("api-rollout")
    defaults = {"currentStepIndex": step, "stableRS": "a", "currentPodHash": "b", "replicas": 7, "updatedReplicas": 1}
    rollout["status"] = {"phase": "Paused", "message": "CanaryPauseStep", **defaults, **status}
    return rollout, weight


def written(screen: Screen) -> str:
    assert isinstance(screen.console.file, io.StringIO)
    return screen.console.file.getvalue()


def console(terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=160, highlight=False, force_terminal=terminal)


def test_a_frame_says_where_the_rollout_stands() -> None:
    shown = frame(*moment(), [RUN])
    assert shown.headline == "Paused: CanaryPauseStep · step 2/9 pause 10s · 10 % to the canary"
    assert (shown.stable_pods, shown.canary_pods) == (6, 1)
    assert shown.measured == (("latency-p99", "0.0049✔"), ("success-rate", "1✔ 0.901✖ no value⚠"))


def test_a_rollout_without_status_can_be_shown() -> None:
    (rollout,) = manifest("api-rollout")
    assert frame(rollout, 0, []).headline == "Progressing · step 1/9 setWeight 10 · 0 % to the canary"


def test_steps_have_short_names() -> None:
    steps: list[Obj] = [{"setWeight": 5}, {"pause": {}}, {"pause": {"duration": "3s"}}, {"analysis": {"templates": []}}]
    assert [step_name(step) for step in steps] == ["setWeight 5", "pause until promoted", "pause 3s", "analysis"]
    assert measurements({"metadata": {}}) == ()


def test_users_are_one_line() -> None:
    stats = Stats()
    assert seen_by_users(stats.snapshot().total, 1.0) == "no requests"
    for status in (200, 500):
        stats.record("v1", status, 0.5)
    assert seen_by_users(stats.snapshot().total, 2.0) == "1 requests/s, 1 errors, p99 0.51 s"


def test_plain_lines_repeat_nothing_and_hold_no_control_codes() -> None:
    screen = Screen(console())
    with screen:
        for _ in range(3):
            screen.show(frame(*moment(), [RUN]), "99 requests/s")
        screen.show(frame(*moment(2), [RUN]), "98 requests/s")
    lines = written(screen).splitlines()
    assert [line.split("  ", 2)[-1].strip() for line in lines] == [
        "Paused: CanaryPauseStep · step 2/9 pause 10s · 10 % to the canary · users: 99 requests/s",
        "Paused: CanaryPauseStep · step 3/9 analysis · 10 % to the canary · users: 98 requests/s",
    ]
    assert "\x1b" not in written(screen)


def test_the_live_picture_shows_traffic_pods_measurements_and_users() -> None:
    screen = LiveScreen(console(terminal=True))
    with screen:
        screen.say("release 2.0.0")
        screen.show(frame(*moment(2), [RUN]), "99 requests/s, 0 errors")
    for text in ("10 % canary", "6 stable, 1 canary", "0.901✖", "99 requests/s, 0 errors", "release 2.0.0"):
        assert text in written(screen)


def test_the_closing_table_has_a_row_per_release() -> None:
    screen = Screen(console())
    screen.summary(
        [
            Outcome(GOOD, Verdict.PROMOTED, "", 30.0, 3000, 0, 900, expected=True),
            Outcome(FAULTY, Verdict.ABORTED, "...", 14.2, 1400, 14, 140, expected=True),
            Outcome(FAULTY, Verdict.TIMED_OUT, "", 90.0, 9000, 90, 900, expected=False),
        ]
    )
    rows = [
        re.split(r"\s{2,}", line.strip()) for line in written(screen).splitlines() if re.match(r" *\d\.0\.0 ", line)
    ]
    assert rows == [
        ["2.0.0 good", "✔ promoted", "30.0 s", "3000", "0", "30%"],
        ["3.0.0 10 % errors", "✔ aborted: success-rate", "14.2 s", "1400", "14", "10%"],
        ["3.0.0 10 % errors", "✖ timed out", "90.0 s", "9000", "90", "10%"],
        ["3.0.0 should be aborted: no reason given"],
    ]
    assert max(map(len, written(screen).splitlines())) <= 80
