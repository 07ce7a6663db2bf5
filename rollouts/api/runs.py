"""Pure. What a Rollout or an Experiment hands to the AnalysisRuns that it starts."""

from pydantic import Field

from analysis.api import FieldRef
from analysis.part import Part


class AnalysisRunMetadata(Part):
    """Labels and annotations of the AnalysisRun."""

    labels: dict[str, str] = Field(default_factory=dict, description="Labels to add.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations to add.")


class ArgumentValueFrom(Part):
    """Where the value of an argument comes from."""

    pod_template_hash_value: str | None = Field(None, description="Pod template hash of a version: Stable or Latest.")
    field_ref: FieldRef | None = Field(None, description="A field of the Rollout.")


class AnalysisRunArgument(Part):
    """An argument of an analysis template."""

    name: str = Field(description="Name of the argument.")
    value: str = Field("", description="Value of the argument.")
    value_from: ArgumentValueFrom | None = Field(None, description="Source of the value.")
