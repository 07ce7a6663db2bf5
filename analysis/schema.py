"""Pure. How a manifest's scalars become Python values: models, durations, int-or-string, timestamps."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
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
_TERM = re.compile(r"(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)(?![^0-9.])")


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> timedelta:
    """A Go duration (`1h30m`, `1.5s`, `-2m`, `0`) as a timedelta; ValueError in Go's words when it is none."""
    return timedelta(microseconds=parse_nanoseconds(text) / 1_000)


def parse_nanoseconds(text: str) -> int:
    """A Go duration in nanoseconds; ValueError in Go's words when it is none, or does not fit 64 bits."""
    rest, sign = text, 1
    if rest[:1] in ("+", "-"):
        sign, rest = (-1 if rest[0] == "-" else 1), rest[1:]
    if rest == "0":
        return 0
    total, at = 0, 0
    while at < len(rest):
        term = _TERM.match(rest, at)
        if term is None:
            raise ValueError(_no_duration(text, rest[at:]))
        total += _nanoseconds(term[1], term[2] or "", _UNITS[term[3]])
        at = term.end()
    if at == 0 or total > 2**63 - (sign > 0):
        raise ValueError(f"time: invalid duration {_quoted(text)}")
    return sign * total


def _nanoseconds(whole: str, fraction: str, unit: int) -> int:
    digits = fraction[:18]
    return int(whole or "0") * unit + int(float(int(digits or "0")) * (unit / 10.0 ** len(digits)))


def _no_duration(text: str, rest: str) -> str:
    number = re.match(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)", rest)
    if number is None:
        return f"time: invalid duration {_quoted(text)}"
    if not number[1]:
        return f"time: missing unit in duration {_quoted(text)}"
    return f"time: unknown unit {_quoted(number[1])} in duration {_quoted(text)}"


def _quoted(text: str) -> str:
    """A text as Go quotes it in an error about a duration: whatever is not plain ASCII, octet by octet."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if " " <= char < "\x80" else _octets(char) for char in inner) + '"'


def _octets(char: str) -> str:
    return "".join(f"\\x{octet:02x}" for octet in char.encode("utf-8", "replace"))


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
