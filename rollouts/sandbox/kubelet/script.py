"""Pure. How a pod behaves in the sandbox, read from annotations of its template.

Every name has the prefix `sandbox.rollouts.dev/`; durations are Go's (`300ms`, `1m30s`).

| Annotation    | Value               | Meaning                                                                    |
|---------------|---------------------|----------------------------------------------------------------------------|
| `start-delay` | duration            | from scheduled to running; absent: the cluster's default                   |
| `stop-delay`  | duration            | from asked to stop to gone, never more than the grace period               |
| `ready`       | `always`            | ready as soon as it runs (the default)                                     |
|               | `never`             | runs, and is never ready                                                   |
|               | `after 5s`          | ready that long after its container started                                |
|               | `until 30s`         | ready at first, and no more after that time                                |
| `crash`       | `always`            | its container exits with an error as soon as it has started                |
|               | `after 5s`          | its container exits with an error that long after each start               |
| `image-pull`  | `fail`              | its image is not to be had: ImagePullBackOff                               |
| `run-time`    | duration            | its container exits after that time; 1s when only `job-result` is given,   |
|               |                     | or when the pod's restartPolicy is not Always                              |
| `job-result`  | `succeed` or `fail` | whether that exit is a success (the default) or an error                   |
| `error-rate`  | number from 0 to 1  | share of requests that are answered with 500                               |
| `latency`     | duration            | how long each answer takes                                                 |

The kubelet itself writes `address` (`host:port`) where a runtime serves the pod on a port of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.schema import parse_duration

PREFIX = "sandbox.rollouts.dev/"
ADDRESS = PREFIX + "address"

_NEVER = float("inf")


class ScriptError(ValueError):
    """An annotation that cannot be understood; the message names it."""


@dataclass(frozen=True, slots=True)
class PodScript:
    """One pod's behaviour. All times are in seconds."""

    start_delay: float | None = None
    """None: the cluster's default."""
    stop_delay: float | None = None
    ready_after: float = 0.0
    """Counted from the start of the container, as are all that follow; infinite: never."""
    ready_until: float = _NEVER
    crash_after: float | None = None
    image_pull_fails: bool = False
    run_time: float | None = None
    job_fails: bool = False
    error_rate: float = 0.0
    latency: float = 0.0

    @classmethod
    def from_annotations(cls, annotations: Mapping[str, str] | None) -> "PodScript":
        """Read the script from a pod's annotations. Raises ScriptError for a name or value that means nothing."""
        values: dict[str, object] = {}
        for key, text in (annotations or {}).items():
            if key.startswith(PREFIX) and key != ADDRESS:
                values.update(_read(key, text))
        if "job_fails" in values:
            values.setdefault("run_time", 1.0)
        return cls(**values) if values else _PLAIN  # type: ignore[arg-type] # because each reader answers for its own types

    def exit_after(self, restart_policy: str) -> tuple[float, int] | None:
        """When the container exits, in seconds after its start, and with which code; None: it runs on."""
        ends = self.run_time
        if ends is None and restart_policy != "Always":
            ends = 1.0
        exits = [] if ends is None else [(ends, 1 if self.job_fails else 0)]
        if self.crash_after is not None:
            exits.append((self.crash_after, 1))
        return min(exits, default=None)

    def is_ready(self, running_for: float) -> bool:
        return self.ready_after <= running_for < self.ready_until

    def ready_changes_at(self, running_for: float) -> float | None:
        """The next time, counted from the start of the container, at which readiness changes by itself."""
        later = [at for at in (self.ready_after, self.ready_until) if running_for < at < _NEVER]
        return min(later, default=None)


_PLAIN = PodScript()
_DURATIONS = {"start-delay", "stop-delay", "run-time", "latency"}


def _read(key: str, text: str) -> dict[str, object]:
    name = key.removeprefix(PREFIX)
    if name in _DURATIONS:
        return {name.replace("-", "_"): _seconds(key, text)}
    match name, text.split():
        case "ready", ["always"]:
            return {"ready_after": 0.0}
        case "ready", ["never"]:
            return {"ready_after": _NEVER}
        case "ready", ["after", span]:
            return {"ready_after": _seconds(key, span)}
        case "ready", ["until", span]:
            return {"ready_until": _seconds(key, span)}
        case "crash", ["always"]:
            return {"crash_after": 0.0}
        case "crash", ["after", span]:
            return {"crash_after": _seconds(key, span)}
        case "image-pull", ["fail"]:
            return {"image_pull_fails": True}
        case "job-result", [("succeed" | "fail") as result]:
            return {"job_fails": result == "fail"}
        case "error-rate", [share]:
            return {"error_rate": _share(key, share)}
    raise ScriptError(f"annotation {key}: {text!r} is not understood; known are: {', '.join(KNOWN)}")


KNOWN = (
    'start-delay, stop-delay, run-time, latency: a duration like "300ms"',
    'ready: "always", "never", "after 5s", "until 30s"',
    'crash: "always", "after 5s"',
    'image-pull: "fail"',
    'job-result: "succeed", "fail"',
    'error-rate: a number from 0 to 1 like "0.1"',
)


def _seconds(key: str, text: str) -> float:
    try:
        seconds = parse_duration(text).total_seconds()
    except ValueError as error:
        raise ScriptError(f"annotation {key}: {error}") from None
    if seconds < 0:
        raise ScriptError(f"annotation {key}: {text!r} is negative")
    return seconds


def _share(key: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ScriptError(f"annotation {key}: {text!r} is not a number from 0 to 1")
    return share
