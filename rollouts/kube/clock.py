"""What time it is, for dates that are written down. Waiting is asyncio's; dates come from a Clock that is handed in."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Says what time it is: an aware datetime in UTC."""


def wall_clock() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


def micro_time(moment: datetime) -> str:
    """A moment as Kubernetes' MicroTime: RFC 3339, UTC, six digits of a second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
