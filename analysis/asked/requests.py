"""Pure. Which requests there are, and which of them are bad: selectors of counters, in the words of an annotation."""

from typing import ClassVar

from pydantic import Field

from analysis.api import Metric
from analysis.asked.lack import Asked, AskedError, Lack
from analysis.asked.selectors import checked_matchers, checked_selector, joined


class Requests(Asked):
    """`all` selects the counter of all requests; `bad` that of the bad ones, or `within` the bucket of a histogram
    that holds those that are fast enough. `canary` are labels that are added to both.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ("all", "bad", "within", "canary")
    SIDES: ClassVar[tuple[str, ...]] = ("canary",)

    all: str = Field("", strict=True)
    bad: str = Field("", strict=True)
    within: str = Field("", strict=True)
    canary: str = Field("", strict=True)
    no_data: Lack | None = Lack.WAIT

    def fault(self, metric: Metric) -> str:
        """Why this cannot be asked of the metric, "" when it can."""
        if metric.provider.prometheus is None:
            return "requests can be counted by Prometheus only"
        if self.at_least is None:
            return "atLeast is missing: over how many requests may it judge?"
        try:
            self._checked()
        except AskedError as error:
            return str(error)
        return super().fault(metric)

    def _checked(self) -> None:
        self._checked_counters()
        for side in self.SIDES:
            text: str = getattr(self, side)
            if not text:
                raise AskedError(f"{side} is missing: which labels tell its series from the others?")
            checked_matchers(side, text)

    def _checked_counters(self) -> None:
        if not self.all:
            raise AskedError("all is missing: the counter of all requests")
        if bool(self.bad) == bool(self.within):
            raise AskedError("one of bad (bad requests) and within (the bucket of those fast enough) is needed")
        for name in ("all", "bad", "within"):
            if text := getattr(self, name):
                checked_selector(name, text)
        if self.all in (self.bad, self.within):
            raise AskedError(f"all and {'bad' if self.bad else 'within'} are the same")

    @property
    def slow(self) -> bool:
        """Whether the bad requests are those above a bucket."""
        return bool(self.within)

    @property
    def word(self) -> str:
        """What a bad request is called."""
        return "too slow" if self.slow else "bad"

    def counters(self, matchers: str) -> tuple[str, str]:
        """Selectors, with the labels of one side: all requests, and the bad ones or those within the bucket."""
        return joined(self.all, matchers), joined(self.within or self.bad, matchers)


def bad_of(total: float, counted: float, *, slow: bool) -> float:
    """How many are bad, when `counted` are bad, or are within the bucket. Never more than there are."""
    return min(max(total - counted if slow else counted, 0.0), total)


def share(part: float, whole: float) -> str:
    """A share in percent, with two digits that say something."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:.2g} %"
