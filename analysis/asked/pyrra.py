"""Pure. A ServiceLevelObjective of Pyrra (pyrra.dev/v1alpha1) becomes an objective that a canary is judged by.

Read are `target` (in percent), `window`, and the indicators `ratio` and `latency`, whose metrics are plain selectors.
"""

from typing import Any

from analysis.asked.burn import BurnRate
from analysis.asked.lack import AskedError
from analysis.asked.promtime import parse_span
from analysis.asked.selectors import checked_selector
from analysis.schema import Obj

_READ = {"ratio": ("errors", "bad"), "latency": ("success", "within")}
_OTHERS = {
    "latencyNative": "native histograms have no buckets to select",
    "bool_gauge": "a gauge counts no requests",
}


def objective_of(asked: BurnRate, slo: Obj) -> BurnRate:
    """What is asked for, with what the ServiceLevelObjective says of it. AskedError when it cannot be judged by."""
    try:
        return _read(asked, slo.get("spec") or {})
    except (AskedError, ValueError, TypeError, AttributeError) as error:
        raise AskedError(f"ServiceLevelObjective '{asked.slo}': {error}") from error


def _read(asked: BurnRate, spec: Obj) -> BurnRate:
    target = float(spec.get("target") or "nan")
    if not 1 <= target < 100:
        raise AskedError(f"target {spec.get('target')!r} is no percentage from 1 to below 100")
    indicator = {name: body for name, body in (spec.get("indicator") or {}).items() if body}
    named = [name for name in _READ if name in indicator]
    if len(named) != 1 or len(indicator) != 1:
        raise AskedError(_refusal(indicator))
    counter, field = _READ[named[0]]
    body: dict[str, Any] = indicator[named[0]]
    if body.get("grouping"):
        raise AskedError(
            f"it promises something to each {' and '.join(body['grouping'])} (grouping), and a canary is judged as a "
            "whole; name objective, window, all and bad in the annotation instead of slo"
        )
    selectors = {"all": _selector(body, "total"), field: _selector(body, counter)}
    update = {"objective": target, "window": parse_span(str(spec.get("window"))), **selectors}
    promised = asked.model_copy(update=update)
    if text := promised.too_touchy():
        raise AskedError(f"it promises {target:g} %; {text}")
    return promised


def _selector(body: dict[str, Any], name: str) -> str:
    text = str((body.get(name) or {}).get("metric") or "")
    checked_selector(f"indicator {name}", text)
    return text


def _refusal(indicator: dict[str, Any]) -> str:
    for name, why in _OTHERS.items():
        if name in indicator:
            return f"indicator {name}: {why}; only ratio and latency can be judged"
    return f"one of the indicators ratio and latency is needed, not {', '.join(indicator) or 'none'}"
