"""What the person at the terminal sees: a live picture on a terminal, plain lines anywhere else."""

import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rollouts.sandbox.demo.frame import Frame
from rollouts.sandbox.demo.releases import Release, Verdict

_LINES_KEPT = 12
_BAR = 50
_WIDTH = 140
"""Of plain output, where there is no terminal to ask."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one release. Seconds from its manifest to its verdict; requests and errors of all users then."""

    release: Release
    verdict: Verdict
    reason: str
    seconds: float
    requests: int
    errors: int
    by_release: int
    """Requests that the release itself answered."""
    expected: bool


class Screen:
    """Plain lines, each with the seconds since the start: for logs and pipes."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout, highlight=False, soft_wrap=True, width=_WIDTH)
        self._began = time.monotonic()
        self._headline = ""

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(f"{self._seconds():6.1f}s  {text}", markup=False)

    def show(self, frame: Frame, users: str) -> None:
        """The state of the Rollout now; may be called many times a second."""
        if frame.headline != self._headline:
            self._headline = frame.headline
            self.say(f"  {frame.headline} · users: {users}")

    def summary(self, outcomes: Sequence[Outcome]) -> None:
        """The closing table."""
        self.console.print(table(outcomes))

    def _seconds(self) -> float:
        return time.monotonic() - self._began


class LiveScreen(Screen):
    """A picture that is redrawn in place, with the latest lines under it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._frame: tuple[Frame, str] | None = None
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._picture)

    def __enter__(self) -> "Screen":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self._lines.append(f"{self._seconds():6.1f}s  {text}")

    def show(self, frame: Frame, users: str) -> None:
        self._frame = frame, users
        super().show(frame, users)

    def summary(self, outcomes: Sequence[Outcome]) -> None:
        self._live.stop()
        super().summary(outcomes)

    def _picture(self) -> RenderableType:
        log = Text("\n".join(self._lines), style="dim")
        if self._frame is None:
            return Group(Panel("starting", title="rollouts demo"), log)
        frame, users = self._frame
        return Group(Panel(picture(frame, users), title=f"Rollout api · {frame.image}"), log)


def picture(frame: Frame, users: str) -> RenderableType:
    """The Rollout, its traffic, its measurements and its users, one row each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row("phase", _phase(frame))
    grid.add_row("steps", _steps(frame))
    grid.add_row("traffic", _traffic(frame.weight))
    grid.add_row("pods", f"{frame.stable_pods} stable, {frame.canary_pods} canary")
    for metric, values in frame.measured:
        grid.add_row(metric, values or "not measured yet")
    grid.add_row("users", users)
    return grid


def _phase(frame: Frame) -> Text:
    colour = {"Healthy": "green", "Degraded": "red", "Paused": "yellow"}.get(frame.phase, "cyan")
    return Text(f"{frame.phase} {frame.message}", style=colour)


def _steps(frame: Frame) -> Text:
    line = Text()
    for index, step in enumerate(frame.steps):
        style = "green" if index < frame.step else "bold reverse" if index == frame.step else "dim"
        line.append(step, style=style)
        line.append("  ")
    return line


def _traffic(weight: int) -> Text:
    canary = round(_BAR * weight / 100)
    bar = Text("█" * (_BAR - canary), style="green")
    bar.append("█" * canary, style="yellow")
    return bar.append(f" {weight} % canary", style="default")


def table(outcomes: Sequence[Outcome]) -> Table:
    """Per release: the verdict, the time to it, and what users went through meanwhile. Fits 80 columns."""
    grid = Table(
        title="What became of the releases, and what users saw meanwhile",
        caption=_unexpected(outcomes) or None,
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    for column in ("release", "verdict"):
        grid.add_column(column, no_wrap=True)
    for column in ("after", "requests", "errors", "its share"):
        grid.add_column(column, justify="right")
    for outcome in outcomes:
        by = f": {outcome.release.metric}" if outcome.release.metric and outcome.expected else ""
        grid.add_row(
            f"{outcome.release.version} {outcome.release.title}",
            f"{'✔' if outcome.expected else '✖'} {outcome.verdict}{by}",
            f"{outcome.seconds:.1f} s",
            str(outcome.requests),
            str(outcome.errors),
            f"{outcome.by_release / max(outcome.requests, 1):.0%}",
        )
    return grid


def _unexpected(outcomes: Sequence[Outcome]) -> str:
    """Why a release is not as expected, a line each."""
    return "\n".join(
        f"{outcome.release.version} should be {outcome.release.verdict}: {outcome.reason or 'no reason given'}"
        for outcome in outcomes
        if not outcome.expected
    )


def screen_for() -> Screen:
    """The live picture where standard output is a terminal, plain lines elsewhere."""
    console = Console(highlight=False)
    return LiveScreen(console) if console.is_terminal else Screen()
