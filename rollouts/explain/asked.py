"""Pure. What annotations ask of a metric, in words."""

from collections.abc import Iterator
from datetime import timedelta

from analysis.asked.burn import BurnRate
from analysis.asked.comparison import Compare
from analysis.asked.lack import Asked, Lack
from analysis.asked.promtime import span_text
from analysis.asked.requests import Requests
from analysis.burnrate import alerts

LACKS = {Lack.WAIT: "waited out", Lack.INCONCLUSIVE: "inconclusive", Lack.FAIL: "bad"}


def seconds(span: timedelta) -> str:
    """A span as text, in seconds."""
    return f"{span.total_seconds():g} s"


def judges(asked: Asked | None) -> bool:
    """Whether the annotation judges instead of the metric's conditions."""
    return isinstance(asked, Requests)


def readings(asked: Asked | None) -> Iterator[str]:
    """What counts as what, where an annotation judges."""
    if isinstance(asked, Compare):
        worse = "worse" if asked.tolerated == 1 else f"more than {asked.tolerated:g} times as bad (odds)"
        yield f"compares {_counted(asked)} at the canary {_labels(asked.canary)} and stable {_labels(asked.stable)}"
        yield f"a reading is bad when the canary is {worse}: by chance in {100 * asked.alpha:g} % of all runs at most"
        yield "that verdict stands, however often it looks; failureLimit forgives none"
    elif isinstance(asked, BurnRate):
        yield f"counts {_counted(asked)} at the canary {_labels(asked.canary)}"
        yield from _objective(asked)
    yield "conditions and query of the metric are asked by Argo Rollouts only"


def _objective(asked: BurnRate) -> Iterator[str]:
    if asked.slo:
        yield f"a reading is bad when the budget of the ServiceLevelObjective {asked.slo} burns too fast"
        return
    budget = f"the error budget of {asked.objective:g} % over {span_text(asked.promised.window)}"
    for index, alert in enumerate(alerts(asked.promised)):
        when = f", once the run is as old as {span_text(alert.long)}" if index else ""
        both = f"within {span_text(alert.short)} and {span_text(alert.long)}"
        yield f"a reading is bad when {budget} burns {alert.factor:.3g} times as fast as it may, {both}{when}"


def _counted(asked: Requests) -> str:
    if isinstance(asked, BurnRate) and asked.slo:
        return f"the requests of the ServiceLevelObjective {asked.slo}"
    if asked.slow:
        return f"requests above the bucket {_short(asked.within)} among {_short(asked.all)}"
    return f"requests {_short(asked.bad)} among {_short(asked.all)}"


def _labels(text: str) -> str:
    return f"({_short(text)})"


def _short(text: str) -> str:
    return " ".join(text.split())


def lacks(asked: Asked | None) -> Iterator[str]:
    """What a lack of evidence means, where an annotation says it."""
    if asked is None:
        return
    if asked.at_least is not None:
        what = "requests of canary or stable" if isinstance(asked, Compare) else "samples"
        what = "requests of the canary" if isinstance(asked, BurnRate) else what
        yield f"a reading over fewer than {asked.at_least} {what} is {LACKS[asked.too_few]}"
    if judges(asked) and asked.no_data is not None:
        yield f"a reading without new requests is {LACKS[asked.no_data]}"
    if asked.error is not None:
        yield f"a provider that is down is {LACKS[asked.error]}"
    if asked.longest_wait is not None:
        yield f"what is waited out is {LACKS[asked.after_wait]} after {seconds(asked.longest_wait)}"
