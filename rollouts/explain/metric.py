"""Pure. A metric in words: when it measures, what counts as what, and what ends it."""

from collections.abc import Iterator

from analysis import limits
from analysis.api import AnalysisPhase, Metric
from analysis.asked.evidence import Evidence
from analysis.asked.lack import Asked
from analysis.evaluate import evaluate
from analysis.expr.gotypes.values import FloatList
from analysis.validate import invalid_metric, provider_names
from rollouts.explain.asked import LACKS, judges, lacks, readings, seconds
from rollouts.explain.trials import MOST_READINGS, Trial, always, by_turns, tried

GOOD, BAD, ERROR, UNCLEAR = (
    AnalysisPhase.SUCCESSFUL,
    AnalysisPhase.FAILED,
    AnalysisPhase.ERROR,
    AnalysisPhase.INCONCLUSIVE,
)
WORDS = {GOOD: "good", BAD: "bad", UNCLEAR: "inconclusive", ERROR: "an error"}
_ENDS = {BAD: "aborts", ERROR: "aborts (Error)", UNCLEAR: "pauses the release", GOOD: "succeeds"}
_NEVER = {BAD: "aborts it", ERROR: "aborts it", UNCLEAR: "pauses the release"}
_NO_CONDITIONS = {
    "job": "good when the Job succeeds, bad when it fails, inconclusive when its pod cannot start",
    "kayenta": "as Kayenta scores it: good from `pass` on, inconclusive from `marginal` on, bad below",
}


def told(metric: Metric, dry_run: bool = False, asked: Asked | None = None) -> Iterator[str]:
    """One sentence a line. The metric's arguments are filled in, as far as they are known.

    `asked` is what the template's annotations ask for.
    """
    fault = invalid_metric(metric)
    if fault:
        yield f"cannot run: {fault}"
        return
    metric = asked.judging(metric) if asked else metric
    yield _schedule(metric)
    yield from readings(asked) if judges(asked) else _readings(metric)
    yield from lacks(asked)
    if dry_run:
        yield "decides nothing: it is measured as a dry run"
        return
    metric = _behind(metric) if judges(asked) else metric
    for phase in (BAD, UNCLEAR, ERROR):
        if phase is ERROR and asked is not None and asked.error is not None:
            continue
        if phase is ERROR or phase in possible(metric, asked):
            yield _ending(metric, phase)
    yield _success(metric)
    yield from _unasked(metric, asked)


def possible(metric: Metric, asked: Asked | None = None) -> frozenset[AnalysisPhase]:
    """What a reading can be, errors apart, and apart from what lacks evidence."""
    if judges(asked):
        return frozenset((GOOD, BAD))
    if _provider(metric) in _NO_CONDITIONS:
        return frozenset((GOOD, BAD, UNCLEAR))
    return frozenset(_verdicts(metric).values())


# ── when, and what counts as what ──────────────────────────────────────────


def _behind(metric: Metric) -> Metric:
    """The metric one interval later: what judges requests finds none at its first look."""
    delay = limits.initial_delay(metric) + limits.interval(metric)
    return metric.model_copy(update={"initial_delay": f"{delay.total_seconds():g}s"})


def _schedule(metric: Metric) -> str:
    count = limits.effective_count(metric)
    times = "without end" if count is None else "once" if count <= 1 else f"{count} times"
    pace = "" if count is not None and count <= 1 else f", every {seconds(limits.interval(metric))}"
    delay = limits.initial_delay(metric)
    first = f", the first {seconds(delay)} after the start" if delay else ""
    return f"asks {_provider(metric)} {times}{pace}{first}"


def _provider(metric: Metric) -> str:
    return next(iter(provider_names(metric.provider)), "nobody")


def _readings(metric: Metric) -> Iterator[str]:
    if _provider(metric) in _NO_CONDITIONS:
        yield f"a reading is {_NO_CONDITIONS[_provider(metric)]}"
        return
    verdicts = _verdicts(metric)
    for phase in (GOOD, BAD, UNCLEAR):
        cases = [case for case, verdict in verdicts.items() if verdict is phase]
        if cases:
            yield f"a reading is {WORDS[phase]} {_when(metric, cases, len(verdicts))}"


def _verdicts(metric: Metric) -> dict[tuple[bool | None, bool | None], AnalysisPhase]:
    """What the engine makes of each way in which the conditions can come out; None for one that is not set."""

    def condition(outcome: bool | None) -> str:
        return "" if outcome is None else str(outcome).lower()

    return {
        (success, failure): evaluate(
            metric.model_copy(
                update={"success_condition": condition(success), "failure_condition": condition(failure)}
            ),
            None,
        )[0]
        for success in ((True, False) if metric.success_condition else (None,))
        for failure in ((True, False) if metric.failure_condition else (None,))
    }


def _when(metric: Metric, cases: list[tuple[bool | None, bool | None]], of: int) -> str:
    """The cases in words, as short as they can be said."""
    if len(cases) == of:
        return "whatever it is: there is no condition"
    texts = metric.success_condition, metric.failure_condition
    for at, text in enumerate(texts):
        for outcome in (True, False):
            if len(cases) == of // 2 and all(case[at] is outcome for case in cases):
                return f"when `{text}` {'holds' if outcome else 'does not hold'}"
    parts = (
        " and ".join(
            f"`{text}` {'holds' if outcome else 'does not'}"
            for text, outcome in zip(texts, case, strict=True)
            if outcome is not None
        )
        for case in cases
    )
    return f"when {', or '.join(parts)}"


# ── what ends it ───────────────────────────────────────────────────────────


def _ending(metric: Metric, phase: AnalysisPhase) -> str:
    """What readings of one kind lead to, when there are enough of them."""
    word = "error" if phase is ERROR else f"{WORDS[phase]} reading"
    straight = tried(metric, always(phase))
    if straight.phase in (AnalysisPhase.NONE, GOOD):
        tries = f" (tried {MOST_READINGS})" if straight.phase is AnalysisPhase.NONE else ""
        return f"no number of {word}s {_NEVER[phase]}{tries}"
    number = straight.count(phase)
    if _counted_out(metric, straight):
        return f"{_ENDS[straight.phase]} after {number} readings that are {WORDS[phase]}, {_earliest(straight)}"
    manner = _manner(metric, straight, phase)
    return f"{_ENDS[straight.phase]} on the {ordinal(number)} {word}{manner}, {_earliest(straight)}"


def _counted_out(metric: Metric, trial: Trial) -> bool:
    """Whether the run ended because all its measurements were taken, and not by a limit."""
    return limits.effective_count(metric) is not None and " > " not in trial.message


def _manner(metric: Metric, straight: Trial, phase: AnalysisPhase) -> str:
    """Whether good readings in between make a difference."""
    number = straight.count(phase)
    if number <= 1:
        return ""
    mixed = tried(_endless(metric), by_turns(phase))
    return " in total" if mixed.phase is straight.phase and mixed.count(phase) == number else " in a row"


def _endless(metric: Metric) -> Metric:
    """The metric with room for every reading, and no early success."""
    update = {"count": None, "interval": metric.interval or "10s"}
    if limits.failure_limit(metric) >= 0:
        update["consecutive_success_limit"] = None
    return metric.model_copy(update=update)


def _success(metric: Metric) -> str:
    trial = tried(metric, always(GOOD))
    if trial.phase is AnalysisPhase.NONE:
        return "never ends by itself: right beside the steps of a release, refused as one of them"
    number = len(trial.readings)
    enough = limits.consecutive_success_limit(metric)
    row = " in a row" if 0 < enough == number and number > 1 else ""
    return f"{_ENDS[trial.phase]} after {number} good reading{'s' * (number > 1)}{row}, {_earliest(trial)}"


def _earliest(trial: Trial) -> str:
    return f"at the earliest after {seconds(trial.after)}" if trial.after else "at once"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _unasked(metric: Metric, asked: Asked | None) -> Iterator[str]:
    """What the conditions make of answers that nobody thinks of."""
    if metric.provider.prometheus is None or not (metric.success_condition or metric.failure_condition):
        return
    empty, nan = (evaluate(metric, result)[0] for result in (FloatList([]), FloatList([float("nan")])))
    no_data = LACKS[asked.no_data] if asked and asked.no_data else WORDS[empty]
    no_number = LACKS[asked.nan] if isinstance(asked, Evidence) and asked.nan else WORDS[nan]
    yield f"no data is {no_data}, NaN is {no_number}"
