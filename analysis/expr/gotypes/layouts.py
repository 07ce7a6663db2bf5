"""Pure. Go's layouts for dates: a text that shows how Monday, 2 January 2006, 15:04:05 would be written."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
COMMON = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)
"""Layouts that `date` tries when it is given none."""

_TOKEN = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|002|__2|_2|Z07:00|Z0700|Z07|-07:00|-0700|-07"
    r"|[.,]0+(?![0-9])|[.,]9+(?![0-9])|01|02|03|04|05|06|15|PM|pm|1|2|3|4|5"
)
_FORMATS: dict[str, Callable[[datetime], str]] = {
    "2006": lambda t: f"{t.year:04d}",
    "06": lambda t: f"{t.year % 100:02d}",
    "01": lambda t: f"{t.month:02d}",
    "1": lambda t: str(t.month),
    "Jan": lambda t: MONTHS[t.month - 1][:3],
    "January": lambda t: MONTHS[t.month - 1],
    "02": lambda t: f"{t.day:02d}",
    "_2": lambda t: f"{t.day:2d}",
    "2": lambda t: str(t.day),
    "002": lambda t: f"{t.timetuple().tm_yday:03d}",
    "__2": lambda t: f"{t.timetuple().tm_yday:3d}",
    "Mon": lambda t: WEEKDAYS[t.weekday()][:3],
    "Monday": lambda t: WEEKDAYS[t.weekday()],
    "15": lambda t: f"{t.hour:02d}",
    "03": lambda t: f"{t.hour % 12 or 12:02d}",
    "3": lambda t: str(t.hour % 12 or 12),
    "04": lambda t: f"{t.minute:02d}",
    "4": lambda t: str(t.minute),
    "05": lambda t: f"{t.second:02d}",
    "5": lambda t: str(t.second),
    "PM": lambda t: "PM" if t.hour >= 12 else "AM",
    "pm": lambda t: "pm" if t.hour >= 12 else "am",
    "MST": lambda t: t.tzname() or "",
}
_PATTERNS = {
    "2006": r"(?P<year>\d{4})",
    "06": r"(?P<short_year>\d{2})",
    "01": r"(?P<month>\d{2})",
    "1": r"(?P<month>\d{1,2})",
    "Jan": r"(?P<month_name>[A-Za-z]{3})",
    "January": r"(?P<month_name>[A-Za-z]+)",
    "02": r"(?P<day>\d{2})",
    "_2": r" ?(?P<day>\d{1,2})",
    "2": r"(?P<day>\d{1,2})",
    "Mon": r"[A-Za-z]{3}",
    "Monday": r"[A-Za-z]+",
    "15": r"(?P<hour>\d{2})",
    "03": r"(?P<hour>\d{2})",
    "3": r"(?P<hour>\d{1,2})",
    "04": r"(?P<minute>\d{2})",
    "4": r"(?P<minute>\d{1,2})",
    "05": r"(?P<second>\d{2})(?P<fraction>[.,]\d+)?",
    "5": r"(?P<second>\d{1,2})(?P<fraction>[.,]\d+)?",
    "PM": r"(?P<half>AM|PM)",
    "pm": r"(?P<half>am|pm)",
    "MST": r"(?P<zone_name>[A-Z]{3,4}|[A-Z]{1,4}[+-]\d+)",
}


def format_layout(moment: datetime, nanoseconds: int, layout: str) -> str:
    """`moment` written as `layout` shows."""

    def written(token: re.Match[str]) -> str:
        text = token[0]
        if text in _FORMATS:
            return _FORMATS[text](moment)
        if text[0] in ".,":
            digits = f"{nanoseconds:09d}"[: len(text) - 1].ljust(len(text) - 1, "0")
            if text[1] == "9":
                digits = digits.rstrip("0")
            return f"{text[0]}{digits}" if digits else ""
        return _offset(moment, text)

    return _TOKEN.sub(written, layout)


def _offset(moment: datetime, form: str) -> str:
    minutes = int((moment.utcoffset() or timedelta(0)).total_seconds() // 60)
    if form.startswith("Z") and minutes == 0:
        return "Z"
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    if form.endswith("07:00"):
        return f"{sign}{hours:02d}:{rest:02d}"
    return f"{sign}{hours:02d}{rest:02d}" if form.endswith("0700") else f"{sign}{hours:02d}"


def parse_layout(text: str, layout: str, zone: tzinfo = UTC) -> tuple[datetime, int]:
    """The moment that `text` shows in `layout`, with its nanoseconds below a microsecond; ValueError in Go's words."""
    pattern, at = "", 0
    for token in _TOKEN.finditer(layout):
        pattern += re.escape(layout[at : token.start()]) + _pattern(token[0])
        at = token.end()
    pattern += re.escape(layout[at:])
    try:
        found = re.fullmatch(pattern, text)
    except re.error as error:
        raise ValueError(f'parsing time "{text}" as "{layout}": the layout repeats a field') from error
    if found is None:
        raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "{layout}"')
    return _assembled({name: value for name, value in found.groupdict().items() if value is not None}, zone, text)


def _pattern(token: str) -> str:
    if token[0] in ".,":
        return r"(?:[.,]\d*)?" if token[1] == "9" else rf"(?P<fraction>[.,]\d{{{len(token) - 1}}})"
    if token in _PATTERNS:
        return _PATTERNS[token]
    digits = r"[+-]\d{2}:\d{2}" if token.endswith("07:00") else r"[+-]\d{4}" if token.endswith("0700") else r"[+-]\d{2}"
    return rf"(?P<offset>{'Z|' if token.startswith('Z') else ''}{digits})"


def _assembled(fields: dict[str, str], zone: tzinfo, text: str) -> tuple[datetime, int]:
    year = int(fields.get("year", "0"))
    if "short_year" in fields:
        short = int(fields["short_year"])
        year = short + (1900 if short >= 69 else 2000)
    month = int(fields.get("month", "1"))
    if "month_name" in fields:
        names = [name[: len(fields["month_name"])].lower() for name in MONTHS]
        if fields["month_name"].lower() not in names:
            raise ValueError(f'parsing time "{text}": unknown month')
        month = names.index(fields["month_name"].lower()) + 1
    hour = int(fields.get("hour", "0"))
    if "half" in fields:
        hour = hour % 12 + (12 if fields["half"].upper() == "PM" else 0)
    nanoseconds = int(fields.get("fraction", ".0")[1:10].ljust(9, "0"))
    if "offset" in fields:
        zone = _zone(fields["offset"])
    try:
        moment = datetime(
            max(year, 1),
            month,
            int(fields.get("day", "1")),
            hour,
            int(fields.get("minute", "0")),
            int(fields.get("second", "0")),
            nanoseconds // 1_000,
            tzinfo=zone,
        )
    except ValueError as error:
        raise ValueError(f'parsing time "{text}": {error}') from error
    return moment, nanoseconds % 1_000


def _zone(offset: str) -> tzinfo:
    if offset == "Z":
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    if minutes == 0:
        return UTC
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes), f"{offset[0]}{digits}")
