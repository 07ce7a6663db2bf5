"""Pure. One moment of the demo as a person wants to see it, made from the API objects and the users' numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

from rollouts.kube.refs import Obj
from rollouts.sandbox.stats import Totals


@dataclass(frozen=True, slots=True)
class Frame:
    """What is shown while a Rollout moves. Weights in percent; latencies in seconds."""

    phase: str
    message: str
    image: str
    step: int
    steps: tuple[str, ...]
    weight: int
    stable_pods: int
    canary_pods: int
    measured: tuple[tuple[str, str], ...] = ()
    """Metric and its latest values, of the newest AnalysisRun."""

    @property
    def headline(self) -> str:
        """What is worth a line of its own when it changes: never a number that changes every second."""
        where = f"step {min(self.step + 1, len(self.steps))}/{len(self.steps)}" if self.steps else "no steps"
        doing = self.steps[self.step] if self.step < len(self.steps) else "all steps done"
        said = f": {self.message}" if self.message else ""
        return f"{self.phase}{said} · {where} {doing} · {self.weight} % to the canary"


def frame(rollout: Obj, weight: int, runs: Iterable[Obj]) -> Frame:
    """The frame of this moment; `weight` is the canary's share in percent, and of the Rollout's `runs` the newest
    counts."""
    spec, status = rollout["spec"], rollout.get("status") or {}
    steps = tuple(map(step_name, spec["strategy"]["canary"].get("steps") or ()))
    newest = max(runs, key=lambda run: (run["metadata"]["creationTimestamp"], run["metadata"]["name"]), default=None)
    updated = int(status.get("updatedReplicas", 0))
    stable = status.get("stableRS") == status.get("currentPodHash")
    return Frame(
        phase=status.get("phase", "Progressing"),
        message=status.get("message", ""),
        image=spec["template"]["spec"]["containers"][0]["image"],
        step=int(status.get("currentStepIndex") or 0),
        steps=steps,
        weight=weight,
        stable_pods=int(status.get("availableReplicas", 0)) if stable else int(status.get("replicas", 0)) - updated,
        canary_pods=0 if stable else updated,
        measured=measurements(newest) if newest else (),
    )


def step_name(step: Obj) -> str:
    """A step in a few words: `setWeight 25`, `pause 10s`, `analysis`."""
    verb, value = next(iter(step.items()))
    detail = value.get("duration", "until promoted") if verb == "pause" else "" if isinstance(value, dict) else value
    return f"{verb} {detail}".strip()


def measurements(run: Obj) -> tuple[tuple[str, str], ...]:
    """Per metric of a run the values measured, oldest first, as `0.91 ✖` or `1 ✔`."""
    results = (run.get("status") or {}).get("metricResults") or ()
    return tuple(
        (result["name"], " ".join(map(_measured, result.get("measurements") or ())))
        for result in sorted(results, key=lambda result: str(result["name"]))
    )


def _measured(measurement: Obj) -> str:
    marks = {"Successful": "✔", "Failed": "✖", "Error": "⚠", "Inconclusive": "?"}
    return f"{_short(measurement.get('value', ''))}{marks.get(measurement.get('phase', ''), '…')}"


def _short(value: str) -> str:
    """`[0.9012345]` → `0.901`; anything but one number as it is."""
    text = value.strip("[]")
    try:
        return f"{float(text):.3g}"
    except ValueError:
        return text or "no value"


def seen_by_users(window: Totals, seconds: float) -> str:
    """The users' line: `98 requests/s, 0 errors, p99 0.01 s`."""
    if not window.requests or seconds <= 0:
        return "no requests"
    p99 = window.percentile(0.99)
    return f"{window.requests / seconds:.0f} requests/s, {window.errors} errors, p99 {p99:.2f} s"
