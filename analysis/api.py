"""Pure. AnalysisTemplate, ClusterAnalysisTemplate and AnalysisRun as Python values."""

from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import Field, WithJsonSchema, model_validator

from analysis.metricprovider import MetricProvider
from analysis.part import IntOrStr, Part
from analysis.schema import Model, Obj, Time

API_VERSION = "argoproj.io/v1alpha1"


class AnalysisPhase(StrEnum):
    """How far a measurement, a metric or a run has come."""

    NONE = ""
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"
    INCONCLUSIVE = "Inconclusive"

    @property
    def completed(self) -> bool:
        """Whether this phase never changes again."""
        return self in _COMPLETED


_COMPLETED = frozenset(
    {AnalysisPhase.SUCCESSFUL, AnalysisPhase.FAILED, AnalysisPhase.ERROR, AnalysisPhase.INCONCLUSIVE}
)

Phase: TypeAlias = Annotated[AnalysisPhase, WithJsonSchema({"type": "string"})]
# ── arguments ──────────────────────────────────────────────────────────────


class SecretKeyRef(Part):
    """One key of a Secret in the namespace of the run."""

    name: str = Field(description="Name of the Secret.")
    key: str = Field(description="Key within the Secret.")


class FieldRef(Part):
    """A field of the object that starts the analysis."""

    field_path: str = Field(description="Path of the field, for example metadata.labels['app'].")


class ValueFrom(Part):
    """Where the value of an argument comes from."""

    secret_key_ref: SecretKeyRef | None = Field(None, description="Take the value from a Secret.")
    field_ref: FieldRef | None = Field(None, description="Take the value from a field of the Rollout.")


class Argument(Part):
    """A named value that metrics may use as {{args.<name>}}."""

    name: str = Field(description="Name of the argument.")
    value: str | None = Field(None, description="Value of the argument.")
    value_from: ValueFrom | None = Field(None, description="Source of the value.")


class DryRun(Part):
    """Metrics that are measured without deciding anything."""

    metric_name: str = Field(description="Regular expression (RE2, unanchored) over metric names.")


class MeasurementRetention(Part):
    """How many measurements of some metrics are kept in status."""

    metric_name: str = Field(description="Regular expression (RE2, unanchored) over metric names.")
    limit: int = Field(description="Number of measurements to keep.", json_schema_extra={"format": "int32"})


# ── templates ──────────────────────────────────────────────────────────────


class Metric(Part):
    """What is measured, how often, and what is good enough. The order of the fields is the order of Go's JSON."""

    name: str = Field(description="Name of the metric.")
    interval: str = Field("", description="Duration between two measurements.")
    initial_delay: str = Field("", description="Duration before the first measurement.")
    count: IntOrStr | None = Field(None, description="Number of measurements; without an interval 1 by default.")
    success_condition: str = Field("", description="Expression that holds for a good measurement.")
    failure_condition: str = Field("", description="Expression that holds for a bad measurement.")
    failure_limit: IntOrStr | None = Field(None, description="Failures that are tolerated; -1 disables the limit.")
    inconclusive_limit: IntOrStr | None = Field(None, description="Inconclusive measurements that are tolerated.")
    consecutive_error_limit: IntOrStr | None = Field(
        None, description="Errors in a row that are tolerated; 4 by default."
    )
    provider: MetricProvider = Field(description="Where the numbers come from.")
    consecutive_success_limit: IntOrStr | None = Field(None, description="Successes in a row that are enough.")


class AnalysisTemplateRef(Part):
    """A reference to an AnalysisTemplate or a ClusterAnalysisTemplate."""

    template_name: str = Field("", description="Name of the template.")
    cluster_scope: bool = Field(False, description="Whether it is a ClusterAnalysisTemplate.")


class AnalysisTemplateSpec(Part):
    """What a template measures."""

    metrics: tuple[Metric, ...] = Field((), description="Metrics to measure.")
    args: tuple[Argument, ...] = Field((), description="Arguments that the metrics use.")
    dry_run: tuple[DryRun, ...] = Field((), description="Metrics that decide nothing.")
    measurement_retention: tuple[MeasurementRetention, ...] = Field((), description="How much history is kept.")
    templates: tuple[AnalysisTemplateRef, ...] = Field((), description="Further templates to include.")


class AnalysisTemplate(Model):
    """A namespaced template of an analysis."""

    api_version: str = API_VERSION
    kind: str = "AnalysisTemplate"
    metadata: Obj = Field(default_factory=dict)
    spec: AnalysisTemplateSpec

    @property
    def name(self) -> str:
        """The template's name."""
        return str(self.metadata.get("name", ""))


class ClusterAnalysisTemplate(AnalysisTemplate):
    """A template of an analysis for the whole cluster."""

    kind: str = "ClusterAnalysisTemplate"


# ── runs ───────────────────────────────────────────────────────────────────


class TTLStrategy(Part):
    """How long a completed run is kept."""

    seconds_after_completion: int | None = Field(None, description="Seconds after any end.")
    seconds_after_failure: int | None = Field(None, description="Seconds after a failure.")
    seconds_after_success: int | None = Field(None, description="Seconds after a success.")


class AnalysisRunSpec(Part):
    """What a run measures."""

    metrics: tuple[Metric, ...] = Field(description="Metrics to measure.")
    args: tuple[Argument, ...] = Field((), description="Arguments with their values.")
    terminate: bool = Field(False, description="Ask the run to stop.")
    dry_run: tuple[DryRun, ...] = Field((), description="Metrics that decide nothing.")
    measurement_retention: tuple[MeasurementRetention, ...] = Field((), description="How much history is kept.")
    ttl_strategy: TTLStrategy | None = Field(None, description="How long the run is kept after its end.")


class Measurement(Part):
    """One measurement of a metric. `value` is the provider's text for the result."""

    phase: Phase = Field(description="Verdict of the measurement.")
    message: str = Field("", description="Why it is so.")
    started_at: Time | None = Field(None, description="When it began.")
    finished_at: Time | None = Field(None, description="When it ended.")
    value: str = Field("", description="The measured value.")
    metadata: dict[str, str] = Field({}, description="What the provider adds.")
    resume_at: Time | None = Field(None, description="When an unfinished measurement is looked at again.")


class MetricResult(Part):
    """What the measurements of one metric have come to."""

    name: str = Field(description="Name of the metric.")
    phase: Phase = Field(description="Verdict of the metric.")
    measurements: tuple[Measurement, ...] = Field((), description="The latest measurements, oldest first.")
    message: str = Field("", description="Why it is so.")
    count: int = Field(0, description="Measurements that ended without an error.")
    successful: int = Field(0, description="Successful measurements.")
    failed: int = Field(0, description="Failed measurements.")
    inconclusive: int = Field(0, description="Inconclusive measurements.")
    error: int = Field(0, description="Measurements that ended in an error.")
    consecutive_error: int = Field(0, description="Errors since the last measurement without one.")
    dry_run: bool = Field(False, description="Whether the metric decides nothing.")
    metadata: dict[str, str] = Field({}, description="What the provider adds.")
    consecutive_success: int = Field(0, description="Successes since the last other measurement.")


class RunSummary(Part):
    """How many metrics ended how."""

    count: int = Field(0, description="Number of metrics.")
    successful: int = Field(0, description="Successful metrics.")
    failed: int = Field(0, description="Failed metrics.")
    inconclusive: int = Field(0, description="Inconclusive metrics.")
    error: int = Field(0, description="Metrics that ended in an error.")


class AnalysisRunStatus(Part):
    """What a run has come to."""

    phase: Phase = Field(description="Verdict of the run.")
    message: str = Field("", description="Why it is so.")
    metric_results: tuple[MetricResult, ...] = Field((), description="Results by metric.")
    started_at: Time | None = Field(None, description="When the run began.")
    run_summary: RunSummary = Field(RunSummary(), description="Metrics that decide, by verdict.")
    dry_run_summary: RunSummary | None = Field(None, description="Metrics that decide nothing, by verdict.")
    completed_at: Time | None = Field(None, description="When the run ended.")

    @model_validator(mode="before")
    @classmethod
    def _phase_may_be_missing(cls, data: Any) -> Any:
        """A status that a person wrote or pruned may lack its phase, which then is the empty one."""
        return {"phase": AnalysisPhase.NONE} | data if isinstance(data, dict) else data


NO_STATUS = AnalysisRunStatus(phase=AnalysisPhase.NONE)


class AnalysisRun(Model):
    """One analysis, from its first measurement to its verdict."""

    api_version: str = API_VERSION
    kind: str = "AnalysisRun"
    metadata: Obj = Field(default_factory=dict)
    spec: AnalysisRunSpec
    status: AnalysisRunStatus = NO_STATUS

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """The run's namespace."""
        return str(self.metadata.get("namespace", ""))

    @property
    def uid(self) -> str:
        """The run's uid."""
        return str(self.metadata.get("uid", ""))
