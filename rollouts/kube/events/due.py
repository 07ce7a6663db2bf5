"""Pure. When what was said is posted. Times are an event loop's, in seconds.

What is said waits until nothing more was said for two seconds, at the longest fifteen. An end is posted at once, so
that who waits for it finds it. While much else is under way (`busy`) both are held for up to 45 seconds: news of
releases must not hold up releases. A Warning waits for nothing.

What is said word for word again is posted the later the more often it was: a Warning by ten seconds each time, anything
else by two, so that a rollout that fails without end does not fill the API server.
"""

import math
from dataclasses import dataclass

from rollouts.kube.events.note import ENDS, Severity

QUIET = 2.0
LONGEST = 15.0
HELD = 45.0
LOOK_AGAIN = 0.5
LOOKS = 100
"""How many batches that wait while much else is under way are looked at in a second, whatever their number."""
REPEATED = 10.0
REPEATED_LONGEST = 300.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long something may wait: until nothing more was said for `quiet` (None: it does not mind what is said),
    for `longest` where more is said all the time, and for `held` whatever else is under way."""

    longest: float
    held: float
    quiet: float | None = None

    @property
    def none(self) -> bool:
        """Whether it is posted at once, even when much else is under way."""
        return self.held == 0.0


def patience(type: Severity, reason: str, before: int) -> Patience:
    """That of something which has been posted `before` times, word for word."""
    if type == "Warning":
        repeated = 0.0 if reason in ENDS else min(REPEATED * before, REPEATED_LONGEST)
        return Patience(longest=repeated, held=repeated)
    if reason in ENDS:
        return Patience(longest=0.0, held=HELD)
    quiet = min(QUIET * max(1, before), REPEATED_LONGEST)
    return Patience(longest=max(LONGEST, quiet), held=max(HELD, quiet), quiet=quiet)


@dataclass(frozen=True, slots=True)
class Due:
    """When a batch is to be posted: as soon as it is quiet, at `latest` if it never is, and by the deadline even when
    much else is under way."""

    quiet: float = math.inf
    latest: float = math.inf
    deadline: float = math.inf

    def after(self, patience: Patience, now: float) -> "Due":
        """The same once something more has been said, which has this patience."""
        return Due(
            quiet=self.quiet if patience.quiet is None else now + patience.quiet,
            latest=min(self.latest, now + patience.longest),
            deadline=min(self.deadline, now + patience.held),
        )

    def left(self, now: float, *, busy: bool = False, waiting: int = 0) -> float:
        """In how many seconds to look whether it is time, when so many batches are `waiting`; 0 when it is."""
        early = min(self.quiet, self.latest) - now
        if early > 0:
            return early
        return min(max(LOOK_AGAIN, waiting / LOOKS), max(0.0, self.deadline - now)) if busy else 0.0


AT_ONCE = Due(latest=0.0, deadline=0.0)
