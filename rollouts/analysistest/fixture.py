"""Pure. How a test of a template is written: `kind: AnalysisTest`."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from analysis.api import AnalysisPhase
from analysis.schema import parse_duration

KIND = "AnalysisTest"


def _span(given: object) -> object:
    return parse_duration(given) if isinstance(given, str) else given


Span = Annotated[timedelta, BeforeValidator(_span)]
"""A Go duration like 1m30s."""


class _Part(BaseModel):
    """A piece of a test; a field that nobody knows is a slip."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Rise(_Part):
    """Requests: all of them, and the bad ones (or those that are too slow) among them."""

    all: int = Field(ge=0)
    bad: int = Field(0, ge=0)


class Answer(_Part):
    """What one measurement hears; `times` in a row.

    Exactly one of: `value` (what a Prometheus query answers: a number or a list is a vector), `scalar` (one number
    that is no list), `json` or `body` (any provider over HTTP), `phase` (a verdict, as of a Job), `canary`. `status` is
    that of HTTP, `delay` how long the answer takes, `samples` how many the query for evidence counts (enough, when
    absent). Where an annotation judges requests, `canary` and `stable` say how many came since the last measurement (of
    a burn rate: in each window).
    """

    value: float | tuple[float, ...] | None = None
    scalar: float | None = None
    json_: Any = Field(None, alias="json")
    body: str | None = None
    phase: AnalysisPhase | None = None
    status: int = 200
    delay: Span = timedelta(0)
    samples: float = 1e12
    canary: Rise | None = None
    stable: Rise | None = None
    times: int = Field(1, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        """A bare number or list is a value."""
        return data if isinstance(data, dict) else {"value": data}

    @model_validator(mode="after")
    def _one_of(self) -> "Answer":
        kinds = ("value", "scalar", "json_", "body", "phase", "canary")
        given = [name for name in kinds if name in self.model_fields_set]
        if len(given) > 1 or (not given and self.status == 200 and not self.delay):
            raise ValueError("an answer has one of value, scalar, json, body, phase and canary")
        return self


class ExpectedMetric(_Part):
    """What a metric comes to; what is not named is not looked at."""

    phase: AnalysisPhase | None = None
    message: str | None = None
    count: int | None = None
    successful: int | None = None
    failed: int | None = None
    inconclusive: int | None = None
    error: int | None = None


class Expected(_Part):
    """What a run comes to; what is not named is not looked at, but for the phase."""

    phase: Literal["Successful", "Failed", "Inconclusive", "Error"]
    message: str | None = None
    after: Span | None = None
    metrics: dict[str, ExpectedMetric] = Field(default_factory=dict)


class Case(_Part):
    """One run. The last answer of a metric is given for ever; `terminateAfter` stops a run as a Rollout would."""

    name: str
    answers: dict[str, tuple[Answer, ...]] = Field(default_factory=dict)
    args: dict[str, str] = Field(default_factory=dict)
    terminate_after: Span | None = None
    expect: Expected


class AnalysisTest(_Part):
    """Tests of one template, or of several that are used together. Templates are looked up among all files given."""

    api_version: str = ""
    kind: Literal["AnalysisTest"]
    metadata: dict[str, Any] = Field(default_factory=dict)
    templates: tuple[str, ...] = Field(min_length=1)
    args: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = Field(default_factory=dict)
    tests: tuple[Case, ...]

    @property
    def name(self) -> str:
        """The name of its own, or else those of the templates."""
        return str(self.metadata.get("name") or ", ".join(self.templates))
