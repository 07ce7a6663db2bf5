"""What another process has used so far: processor time and memory, as Linux tells it."""

import os
from dataclasses import dataclass
from pathlib import Path


class Unmeasurable(RuntimeError):
    """This system does not tell what a process uses; the message says what would."""


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu`: seconds of user and system time. `resident` and `peak`: bytes now, and at most since it began."""

    cpu: float
    resident: int
    peak: int


def usage(pid: int) -> Usage:
    """What the process has used. Raises Unmeasurable without /proc, or when there is no such process."""
    folder = Path("/proc", str(pid))
    try:
        stat, status = (folder / "stat").read_text(), (folder / "status").read_text()
    except OSError as error:
        raise Unmeasurable(f"{folder}: {error.strerror}; the bench reads /proc, so it needs Linux") from error
    # After the name, which is in parentheses and may hold anything: fields 14 and 15 are user and system ticks.
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), _bytes(sizes["VmRSS"]), _bytes(sizes["VmHWM"]))


def _bytes(text: str) -> int:
    """`  63344 kB` in bytes."""
    return int(text.split()[0]) * 1024
