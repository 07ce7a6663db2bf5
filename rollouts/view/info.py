"""Pure. What a person sees of a Rollout, as values: the same for the command line and the dashboard."""

from dataclasses import dataclass
from datetime import datetime

OK = "✔"
BAD = "✖"
PROGRESSING = "◌"
PAUSED = "॥"
WAITING = "◷"
WARNING = "⚠"
UNKNOWN = "?"
SCALED_DOWN = "•"
NONE = " "


@dataclass(frozen=True, slots=True)
class Meta:
    """Which object it is. `created` is None when the server has not said."""

    name: str
    namespace: str = ""
    uid: str = ""
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodInfo:
    """`status` in kubectl's words; `ready` as `ready containers/containers`."""

    meta: Meta
    status: str
    icon: str
    ready: str
    restarts: int


@dataclass(frozen=True, slots=True)
class ReplicaSetInfo:
    """A ReplicaSet, the roles it plays in the Rollout, and its Pods.

    `replicas` and `available` are counts from its status. `template` is the template of the Experiment that it was
    made from, "" for a Rollout's own. `scale_down_deadline` is the moment at which it may be scaled to 0.
    """

    meta: Meta
    status: str
    icon: str
    revision: int
    replicas: int
    available: int
    images: tuple[str, ...]
    stable: bool = False
    canary: bool = False
    active: bool = False
    preview: bool = False
    ping: bool = False
    pong: bool = False
    template: str = ""
    scale_down_deadline: datetime | None = None
    pods: tuple[PodInfo, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """`stable`, then one of canary, active and preview, then ping or pong."""
        held = {
            "stable": self.stable,
            "canary": self.canary,
            "active": self.active,
            "preview": self.preview,
            "ping": self.ping,
            "pong": self.pong,
        }
        return tuple(role for role, holds in held.items() if holds)


@dataclass(frozen=True, slots=True)
class JobInfo:
    """The Job behind one measurement; `meta.created` is when the measurement started."""

    meta: Meta
    status: str
    icon: str
    metric: str


@dataclass(frozen=True, slots=True)
class AnalysisRunInfo:
    """An AnalysisRun with its measurements counted by result over all metrics."""

    meta: Meta
    status: str
    icon: str
    revision: int
    successful: int
    failed: int
    inconclusive: int
    error: int
    jobs: tuple[JobInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class ExperimentInfo:
    meta: Meta
    status: str
    icon: str
    revision: int
    message: str
    replica_sets: tuple[ReplicaSetInfo, ...] = ()
    analysis_runs: tuple[AnalysisRunInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image that runs now, and the roles of the ReplicaSets that run it."""

    image: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RolloutInfo:
    """A Rollout and all that belongs to it.

    `strategy` is Canary or BlueGreen ("" for neither); `step`, `set_weight` and `actual_weight` are "" for a BlueGreen.
    """

    meta: Meta
    status: str
    message: str
    icon: str
    strategy: str
    step: str
    set_weight: str
    actual_weight: str
    desired: int
    current: int
    updated: int
    ready: int
    available: int
    replica_sets: tuple[ReplicaSetInfo, ...] = ()
    experiments: tuple[ExperimentInfo, ...] = ()
    analysis_runs: tuple[AnalysisRunInfo, ...] = ()

    @property
    def revisions(self) -> tuple[int, ...]:
        """Every revision that something belongs to, newest first."""
        found = {each.revision for each in self.replica_sets}
        found |= {each.revision for each in self.experiments} | {each.revision for each in self.analysis_runs}
        return tuple(sorted(found, reverse=True))
