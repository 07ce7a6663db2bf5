"""Pure. A world read as an experiment at one moment: how far it has come, and whether it is ending."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property

from analysis.schema import parse_duration
from rollouts.api import labels
from rollouts.api.experiment import (
    ExperimentAnalysisRunStatus,
    ExperimentAnalysisTemplateRef,
    TemplateSpec,
    TemplateStatus,
)
from rollouts.decide.world import ReplicaSet
from rollouts.experiment.world import World

PENDING, RUNNING, PROGRESSING = "Pending", "Running", "Progressing"
SUCCESSFUL, FAILED, ERROR, INCONCLUSIVE = "Successful", "Failed", "Error", "Inconclusive"
ENDED = frozenset({SUCCESSFUL, FAILED, ERROR, INCONCLUSIVE})
BAD = frozenset({FAILED, ERROR, INCONCLUSIVE})


class View:
    """A world at a moment (`now`: whole seconds, aware). Everything rests on the stored status."""

    def __init__(self, world: World, now: datetime) -> None:
        self.world = world
        self.now = now
        self.experiment = world.experiment
        self.name = world.experiment.metadata.name
        self.spec = world.experiment.spec
        self.stored = world.experiment.status

    @property
    def ended(self) -> bool:
        """It has come to something, and will never come to anything else."""
        return self.stored.phase in ENDED

    @cached_property
    def ending(self) -> bool:
        """Nothing new begins, and what runs is stopped."""
        return (
            self.spec.terminate
            or self.ended
            or any(one.status in (FAILED, ERROR) for one in self.stored.template_statuses)
            or any(one.phase in BAD for one in self.stored.analysis_runs)
            or (bool(self.required) and all(self.phase_of(one) == SUCCESSFUL for one in self.required))
        )

    @cached_property
    def required(self) -> tuple[ExperimentAnalysisTemplateRef, ...]:
        """The analyses that the experiment waits for."""
        return tuple(analysis for analysis in self.spec.analyses if analysis.required_for_completion)

    @property
    def measuring(self) -> bool:
        """An analysis that the experiment waits for has not come to its end."""
        return any(self.phase_of(analysis) not in ENDED for analysis in self.required)

    @cached_property
    def ends_at(self) -> datetime | None:
        """When the duration is over, counted from the moment at which all versions were available."""
        began = self.stored.available_at
        return began + self.duration if began is not None and self.duration is not None else None

    @property
    def duration(self) -> timedelta | None:
        return parse_duration(self.spec.duration) if self.spec.duration else None

    @property
    def time_is_up(self) -> bool:
        """The duration is over. An analysis that is required is waited for, and its pods with it."""
        return self.ends_at is not None and self.now >= self.ends_at and not self.measuring

    def status_of(self, template: TemplateSpec) -> TemplateStatus:
        """The stored status of a version; an empty one where there is none."""
        found = (one for one in self.stored.template_statuses if one.name == template.name)
        empty = TemplateStatus(
            name=template.name, replicas=0, updated_replicas=0, ready_replicas=0, available_replicas=0
        )
        return next(found, empty)

    def entry_of(self, analysis: ExperimentAnalysisTemplateRef) -> ExperimentAnalysisRunStatus | None:
        """The stored status of an analysis."""
        return next((one for one in self.stored.analysis_runs if one.name == analysis.name), None)

    def phase_of(self, analysis: ExperimentAnalysisTemplateRef) -> str:
        """The stored phase of an analysis, "" before it began."""
        entry = self.entry_of(analysis)
        return entry.phase if entry else ""

    def replica_sets_of(self, template: TemplateSpec) -> tuple[ReplicaSet, ...]:
        """The ReplicaSets that were made for a version: one, unless somebody meddled."""
        return tuple(self._replica_sets(template))

    def _replica_sets(self, template: TemplateSpec) -> Iterator[ReplicaSet]:
        return (rs for name, rs in self._made() if name == template.name)

    def _made(self) -> Iterator[tuple[str, ReplicaSet]]:
        """Every ReplicaSet of the experiment, by the name of its version."""
        for rs in self.world.replica_sets:
            notes = rs.annotations
            if notes.get(labels.EXPERIMENT_NAME) == self.name and not rs.deleting:
                yield notes.get(labels.EXPERIMENT_TEMPLATE_NAME, ""), rs

    @property
    def dropped(self) -> dict[str, ReplicaSet]:
        """The ReplicaSets of versions that the spec does not name any more, by these."""
        named = {template.name for template in self.spec.templates}
        return {name: rs for name, rs in self._made() if name not in named}

    def replica_set_of(self, template: TemplateSpec) -> ReplicaSet | None:
        return next(iter(self.replica_sets_of(template)), None)

    def over(self, template: TemplateSpec) -> bool:
        """Whether the pods of a version have to go."""
        return self.ending or self.status_of(template).status in ENDED
