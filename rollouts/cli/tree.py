"""Pure. A Rollout or an Experiment as a screen: facts, then a tree of everything that belongs to it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from rollouts.view import (
    AnalysisRunInfo,
    ExperimentInfo,
    ImageInfo,
    Meta,
    ReplicaSetInfo,
    RolloutInfo,
    human_duration,
    images_of,
)

_RED, _GREEN, _YELLOW, _BLUE = 31, 32, 33, 94
_COLOURS = {
    "✔": _GREEN,
    "✖": _RED,
    "⚠": _RED,
    "◌": _BLUE,
    "◷": _YELLOW,
    "?": _YELLOW,
    "stable": _GREEN,
    "active": _GREEN,
    "canary": _YELLOW,
    "preview": _BLUE,
    "ping": _BLUE,
    "pong": _BLUE,
    "Successful": _GREEN,
    "Running": _BLUE,
    "Failed": _RED,
    "Error": _RED,
    "Inconclusive": _YELLOW,
}
_ANSI = re.compile(r"\x1b\[\d+m")
_HEADER = ("NAME", "KIND", "STATUS", "AGE", "INFO")

Row: TypeAlias = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Screen:
    """Draws what it is handed as of `now`, with or without ANSI colours."""

    now: datetime
    colour: bool = False

    def rollout(self, info: RolloutInfo) -> str:
        """The whole screen of a Rollout, ending in a newline."""
        facts = [
            *self._facts(info),
            ("Strategy:", info.strategy),
            *self._canary_facts(info),
            *self._images(images_of(info)),
            ("Replicas:", ""),
            ("  Desired:", str(info.desired)),
            ("  Current:", str(info.current)),
            ("  Updated:", str(info.updated)),
            ("  Ready:", str(info.ready)),
            ("  Available:", str(info.available)),
        ]
        root = self._row("⟳", info.meta, "Rollout", info.icon, info.status)
        return _screen(facts, [_HEADER, root, *self._revisions(info)])

    def experiment(self, info: ExperimentInfo) -> str:
        """The whole screen of an Experiment, ending in a newline."""
        facts = [*self._facts(info), *self._images(images_of(info))]
        return _screen(facts, [_HEADER, *self._experiment(info)])

    def _facts(self, info: RolloutInfo | ExperimentInfo) -> Iterator[tuple[str, str]]:
        yield "Name:", info.meta.name
        yield "Namespace:", info.meta.namespace
        yield "Status:", f"{self._paint(info.icon)} {info.status}"
        if info.message:
            yield "Message:", info.message

    def _canary_facts(self, info: RolloutInfo) -> Iterator[tuple[str, str]]:
        if info.strategy == "Canary":
            yield "  Step:", info.step
            yield "  SetWeight:", info.set_weight
            yield "  ActualWeight:", info.actual_weight

    def _images(self, images: Iterable[ImageInfo]) -> Iterator[tuple[str, str]]:
        for index, image in enumerate(images):
            tags = ", ".join(self._paint(tag) for tag in image.tags)
            yield "" if index else "Images:", f"{image.image} ({tags})" if tags else image.image

    def _revisions(self, info: RolloutInfo) -> Iterator[Row]:
        for revision, (branch, trunk) in _branches(info.revisions):
            yield (f"{branch}# revision:{revision}", "", "", "", "")
            children: list[list[Row]] = [
                *([*self._replica_set(each)] for each in info.replica_sets if each.revision == revision),
                *([*self._experiment(each)] for each in info.experiments if each.revision == revision),
                *([*self._analysis_run(each)] for each in info.analysis_runs if each.revision == revision),
            ]
            yield from _grafted(children, trunk)

    def _experiment(self, info: ExperimentInfo) -> Iterator[Row]:
        yield self._row("Σ", info.meta, "Experiment", info.icon, info.status, shade=info.status)
        yield from _grafted(
            [
                *([*self._replica_set(each)] for each in info.replica_sets),
                *([*self._analysis_run(each)] for each in info.analysis_runs),
            ]
        )

    def _replica_set(self, info: ReplicaSetInfo) -> Iterator[Row]:
        roles = info.roles
        notes = ",".join([*(self._paint(role) for role in roles), *self._delay(info)])
        shade = roles[-1] if roles else ""
        yield self._row("⧉", info.meta, "ReplicaSet", info.icon, info.status, notes, shade)
        pods = []
        for pod in info.pods:
            restarts = f",restarts:{pod.restarts}" if pod.restarts else ""
            pods.append([self._row("□", pod.meta, "Pod", pod.icon, pod.status, f"ready:{pod.ready}{restarts}")])
        yield from _grafted(pods)

    def _delay(self, info: ReplicaSetInfo) -> Iterator[str]:
        """How long the ReplicaSet is still kept."""
        if info.scale_down_deadline is not None:
            left = info.scale_down_deadline - self.now
            yield f"delay:{human_duration(left)}" if left.total_seconds() >= 0 else "delay:passed"

    def _analysis_run(self, info: AnalysisRunInfo) -> Iterator[Row]:
        counts = (("✔", info.successful), ("✖", info.failed), ("?", info.inconclusive), ("⚠", info.error))
        notes = ",".join(f"{self._paint(icon)} {count}" for icon, count in counts if count)
        yield self._row("α", info.meta, "AnalysisRun", info.icon, info.status, notes, info.status)
        yield from _grafted([[self._row("⊞", job.meta, "Job", job.icon, job.status)] for job in info.jobs])

    def _row(self, sign: str, meta: Meta, kind: str, icon: str, status: str, notes: str = "", shade: str = "") -> Row:
        name = self._paint(meta.name, shade)
        age = human_duration(self.now - meta.created) if meta.created else ""
        return (f"{sign} {name}", kind, f"{self._paint(icon)} {status}", age, notes)

    def _paint(self, word: str, shade: str = "") -> str:
        code = _COLOURS.get(shade or word)
        return f"\x1b[{code}m{word}\x1b[0m" if self.colour and code else word


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with each cell but the last of its row padded to the widest of its column and two spaces."""
    shown = [[len(_ANSI.sub("", cell)) for cell in row] for row in rows]
    widths = [max(column) + 2 for column in zip(*shown, strict=True)]
    for row, lengths in zip(rows, shown, strict=True):
        padded = [cell + " " * (width - length) for cell, width, length in zip(row, widths, lengths, strict=True)]
        yield "".join([*padded[:-1], row[-1]])


def _screen(facts: Iterable[tuple[str, str]], rows: Sequence[Row]) -> str:
    lines = [key if key == "Replicas:" else f"{key:<17}{value}" for key, value in facts]
    return "\n".join([*lines, "", *columns(rows), ""])


def _branches(items: Sequence[int]) -> Iterator[tuple[int, tuple[str, str]]]:
    for index, item in enumerate(items):
        yield item, ("└──", "   ") if index == len(items) - 1 else ("├──", "│  ")


def _grafted(children: Sequence[Sequence[Row]], trunk: str = "") -> Iterator[Row]:
    """The rows of several subtrees, drawn as the branches of one; each subtree's first row is its root."""
    for index, (branch, below) in _branches(range(len(children))):
        for depth, (name, *rest) in enumerate(children[index]):
            kind, status, age, notes = rest
            yield (f"{trunk}{below if depth else branch}{name}", kind, status, age, notes)
