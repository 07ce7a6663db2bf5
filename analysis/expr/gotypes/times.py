"""Pure. Moments and durations with the methods that Go gives them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from analysis.expr.gotypes import layouts
from analysis.expr.gotypes.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    INT64,
    MONTH,
    STRING,
    TIME,
    WEEKDAY,
    Sort,
    Type,
    function,
)
from analysis.expr.gotypes.values import Duration, format_duration, wrap

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = -62_135_596_800 * _SECOND


@dataclass(frozen=True, slots=True, order=True)
class Time:
    """time.Time: nanoseconds since 1970, and the zone in which it is written."""

    ns: int
    zone: tzinfo = field(default=UTC, compare=False)
    go: ClassVar[str] = "time.Time"

    @classmethod
    def of(cls, moment: datetime, ns: int = 0) -> "Time":
        """The moment, with nanoseconds beyond its microseconds."""
        since = moment - _EPOCH
        micro = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return cls(micro * 1_000 + ns, moment.tzinfo or UTC)

    @property
    def local(self) -> datetime:
        """The same moment as a datetime in its zone, cut to microseconds."""
        return (_EPOCH + timedelta(microseconds=self.ns // 1_000)).astimezone(self.zone)

    def plus(self, duration: int) -> "Time":
        """A later moment."""
        return Time(self.ns + duration, self.zone)

    def since(self, earlier: "Time") -> Duration:
        """How long ago `earlier` is."""
        return Duration(wrap(self.ns - earlier.ns))

    def written(self, layout: str) -> str:
        """The moment as `layout` shows it."""
        return layouts.format_layout(self.local, self.ns % _SECOND, layout)

    def __str__(self) -> str:
        return self.written("2006-01-02 15:04:05.999999999 -0700 MST")


class Named(str):
    """A time.Month or time.Weekday, which prints as its name."""

    __slots__ = ("go", "number")
    go: str
    number: int

    def __new__(cls, name: str, number: int, go: str) -> "Named":
        """The month or weekday of that name and number."""
        self = super().__new__(cls, name)
        self.number, self.go = number, go
        return self


@dataclass(frozen=True, slots=True)
class Location:
    """*time.Location: a zone."""

    zone: ZoneInfo
    go: ClassVar[str] = "*time.Location"

    def __str__(self) -> str:
        return self.zone.key


@dataclass(frozen=True, slots=True)
class Method:
    """A method that an expression may call: its type without the receiver, and what it does."""

    type: Type
    call: Callable[..., Any]


def _method(result: Type, call: Callable[..., Any], *parameters: Type) -> Method:
    return Method(function(result, *parameters), call)


def _rounded(value: int, unit: int, half_up: bool) -> int:
    if unit <= 0:
        return value
    rest = abs(value) % unit
    whole = abs(value) - rest + (unit if half_up and rest * 2 >= unit else 0)
    return -whole if value < 0 else whole


def _since_zero(time: Time, unit: int, half_up: bool) -> Time:
    if unit <= 0:
        return time
    return Time(_rounded(time.ns - _ZERO, unit, half_up) + _ZERO, time.zone)


def _add_date(time: Time, years: int, months: int, days: int) -> Time:
    local = time.local
    month = local.year * 12 + local.month - 1 + years * 12 + months
    first = local.replace(year=month // 12, month=month % 12 + 1, day=1)
    return Time.of(first + timedelta(days=local.day - 1 + days), time.ns % 1_000)


def _month(time: Time) -> Named:
    return Named(layouts.MONTHS[time.local.month - 1], time.local.month, "time.Month")


def _weekday(time: Time) -> Named:
    return Named(layouts.WEEKDAYS[time.local.weekday()], (time.local.weekday() + 1) % 7, "time.Weekday")


_TIME_METHODS = {
    "Unix": _method(INT64, lambda t: t.ns // _SECOND),
    "UnixMilli": _method(INT64, lambda t: t.ns // 1_000_000),
    "UnixMicro": _method(INT64, lambda t: t.ns // 1_000),
    "UnixNano": _method(INT64, lambda t: t.ns),
    "Sub": _method(DURATION, Time.since, TIME),
    "Add": _method(TIME, Time.plus, DURATION),
    "AddDate": _method(TIME, _add_date, INT, INT, INT),
    "Before": _method(BOOL, lambda t, other: t < other, TIME),
    "After": _method(BOOL, lambda t, other: t > other, TIME),
    "Equal": _method(BOOL, lambda t, other: t == other, TIME),
    "Compare": _method(INT, lambda t, other: (t > other) - (t < other), TIME),
    "IsZero": _method(BOOL, lambda t: t.ns == _ZERO),
    "UTC": _method(TIME, lambda t: Time(t.ns, UTC)),
    "Year": _method(INT, lambda t: t.local.year),
    "Month": _method(MONTH, _month),
    "Day": _method(INT, lambda t: t.local.day),
    "Hour": _method(INT, lambda t: t.local.hour),
    "Minute": _method(INT, lambda t: t.local.minute),
    "Second": _method(INT, lambda t: t.local.second),
    "Nanosecond": _method(INT, lambda t: t.ns % _SECOND),
    "YearDay": _method(INT, lambda t: t.local.timetuple().tm_yday),
    "Weekday": _method(WEEKDAY, _weekday),
    "Truncate": _method(TIME, lambda t, unit: _since_zero(t, unit, False), DURATION),
    "Round": _method(TIME, lambda t, unit: _since_zero(t, unit, True), DURATION),
    "Format": _method(STRING, Time.written, STRING),
    "String": _method(STRING, str),
}
_DURATION_METHODS = {
    "Hours": _method(FLOAT, lambda d: d / (3_600 * _SECOND)),
    "Minutes": _method(FLOAT, lambda d: d / (60 * _SECOND)),
    "Seconds": _method(FLOAT, lambda d: d / _SECOND),
    "Milliseconds": _method(INT64, lambda d: _rounded(d, 1_000_000, False) // 1_000_000),
    "Microseconds": _method(INT64, lambda d: _rounded(d, 1_000, False) // 1_000),
    "Nanoseconds": _method(INT64, int),
    "Abs": _method(DURATION, lambda d: Duration(abs(d))),
    "Truncate": _method(DURATION, lambda d, unit: Duration(_rounded(d, unit, False)), DURATION),
    "Round": _method(DURATION, lambda d, unit: Duration(_rounded(d, unit, True)), DURATION),
    "String": _method(STRING, format_duration),
}
_NAME_METHODS = {"String": _method(STRING, lambda name: str(name[:]))}
METHODS: dict[Sort, dict[str, Method]] = {
    Sort.TIME: _TIME_METHODS,
    Sort.DURATION: _DURATION_METHODS,
    Sort.OTHER: _NAME_METHODS,
}
"""Methods by the sort of value that has them."""


def methods_of(value: Any) -> dict[str, Method]:
    """The methods of a value, whatever was known of it before."""
    match value:
        case Time():
            return _TIME_METHODS
        case Duration():
            return _DURATION_METHODS
        case Named():
            return _NAME_METHODS
        case _:
            return {}
