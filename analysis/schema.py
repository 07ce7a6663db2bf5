"""Pure. How a manifest's scalars become Python values: models, durations, int-or-string, timestamps."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel

Obj: TypeAlias = dict[str, Any]
"""A Kubernetes object or a part of one, as its JSON says it."""

IntOrString: TypeAlias = int | str


class Model(BaseModel):
    """Frozen, camelCase on the wire, and keeping the fields that it does not know."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """Kubernetes reads `field: null` as no field at all."""
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None}
        return data

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the fields in the manifest that this model does not know."""
        return tuple(self.model_extra or ())

    def wire(self) -> Obj:
        """This value as its manifest would say it: camelCase, without absent (None) fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_TERM = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> timedelta:
    """A Go duration (`1h30m`, `1.5s`, `-2m`, `0`) as a timedelta; ValueError in Go's words when it is none."""
    rest, sign = text, 1
    if rest[:1] in ("+", "-"):
        sign, rest = (-1 if rest[0] == "-" else 1), rest[1:]
    if rest == "0":
        return timedelta(0)
    total, at = 0.0, 0
    while at < len(rest):
        term = _TERM.match(rest, at)
        if term is None or term[1] in ("", "."):
            if re.fullmatch(r"[0-9]*\.?[0-9]+|[0-9]+\.?", rest[at:]):
                raise ValueError(f'time: missing unit in duration "{text}"')
            unit = re.fullmatch(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]+).*", rest[at:], re.DOTALL)
            if unit:
                raise ValueError(f'time: unknown unit "{unit[1]}" in duration "{text}"')
            raise ValueError(f'time: invalid duration "{text}"')
        total += float(term[1]) * _UNITS[term[2]]
        at = term.end()
    if at == 0:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * timedelta(microseconds=total / 1_000)


def parse_time(text: str) -> datetime:
    """An RFC 3339 timestamp as an aware datetime in UTC; ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"timestamp without a zone: {text!r}")
    return moment.astimezone(UTC)


def format_time(moment: datetime) -> str:
    """A moment as Kubernetes writes it: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time: TypeAlias = Annotated[AwareDatetime, PlainSerializer(format_time, return_type=str, when_used="json")]
"""A model's field for a timestamp: aware, and written in whole seconds."""
