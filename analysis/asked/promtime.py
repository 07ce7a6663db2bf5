"""Pure. Durations as Prometheus spells them: 30d, 4w, 1h30m."""

import re
from datetime import timedelta

_UNITS = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION = re.compile("".join(rf"(?:([0-9]+){unit})?" for unit in _UNITS))


def parse_span(text: str) -> timedelta:
    """A duration of Prometheus above nothing; ValueError when it is none."""
    found = _DURATION.fullmatch(text)
    numbers = found.groups() if found else ()
    parts = (unit * int(number) for number, unit in zip(numbers, _UNITS.values(), strict=False) if number)
    total = sum(parts, timedelta(0))
    if total <= timedelta(0):
        raise ValueError(f'{text!r} is no duration such as "30d" or "4w"')
    return total


def span_text(span: timedelta) -> str:
    """A span as Prometheus spells it, to the millisecond: 30d, 1h30m, 56s."""
    left, text = round(span / timedelta(milliseconds=1)), ""
    for name in ("d", "h", "m", "s", "ms"):
        number, left = divmod(left, round(_UNITS[name] / timedelta(milliseconds=1)))
        text += f"{number}{name}" if number else ""
    return text or "0s"
