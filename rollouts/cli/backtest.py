"""`rollouts backtest`: what a template would have said of the past."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rollouts.cli.flags import Parser

if TYPE_CHECKING:
    from analysis.api import AnalysisRunSpec
    from rollouts.backtest.study import Plan, Study, Verdicts

_ABOUT = """\
Asks the history of a real Prometheus what a template would have said: how often it would have taken a release back,
when, and how that changes with the threshold.

A release is imagined to begin again and again, and its analysis is led through the controller's own engine with the
clock of that moment. Whatever was found is found in all traffic there was: it tells false alarms and incidents of the
past, not how a canary would have done."""


def parser() -> Parser:
    root = Parser(prog="rollouts backtest", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    root.add_argument("path", metavar="TEMPLATE", help="file (or folder) with the template and what it includes")
    root.add_argument("--prometheus", required=True, metavar="URL", help="whose history is asked")
    root.add_argument(
        "--from", dest="since", required=True, metavar="TIME", help="2026-01-31T12:00:00Z, or 6h: so long ago"
    )
    root.add_argument("--to", dest="until", default="now", metavar="TIME", help="the same (default: now)")
    root.add_argument("--template", default="", metavar="NAME", help="which one, where the file holds several")
    root.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="an argument of the template")
    root.add_argument(
        "--every", default="", metavar="TIME", help="gap between releases (default: 60 in all, 1m at least)"
    )
    root.add_argument(
        "--watched",
        default="",
        metavar="TIME",
        help="how long a release is watched (default: 10m for metrics without end)",
    )
    root.add_argument(
        "--sweep", default="", metavar="N,N,...", help="thresholds to try (default: around the one given)"
    )
    root.add_argument("--format", choices=("text", "json"), default="text", help="how to print (default: text)")
    return root


def run(argv: Sequence[str]) -> int:
    """One command line; the exit code: 0 also where releases would have been aborted, 1 after `Error: …` on stderr."""
    args = parser().parse_args(argv)
    from analysis.templates import TemplateError
    from rollouts.backtest.history import Unanswered
    from rollouts.backtest.template import CannotReplay
    from rollouts.lint.manifests import Unreadable

    try:
        asyncio.run(_judge(args))
        return 0
    except (CannotReplay, TemplateError, Unanswered, Unreadable, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


async def _judge(args: argparse.Namespace) -> None:
    import httpx

    from rollouts.backtest.history import Remembering, reach
    from rollouts.backtest.study import studied
    from rollouts.backtest.template import spec_of

    chosen = spec_of(args.path, args.template, dict(_pair(each) for each in args.arg), args.prometheus)
    spec, plan = (
        chosen.spec,
        replace(_plan(args, chosen.spec), annotations=chosen.annotations, objectives=chosen.objectives),
    )
    await reach(httpx.AsyncHTTPTransport(), args.prometheus)
    history = Remembering(httpx.AsyncHTTPTransport(retries=2))
    study = await studied(spec, plan, _sweep(args, spec), history)
    if args.format == "json":
        print(json.dumps(_document(study), indent=2))
        return
    for note in chosen.notes:
        print(f"note: {note}")
    _print(spec, plan, study)


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise ValueError(f"--arg {given}: write NAME=VALUE")
    return name, value


def _plan(args: argparse.Namespace, spec: "AnalysisRunSpec") -> "Plan":
    from analysis.limits import effective_count
    from analysis.schema import parse_duration
    from rollouts.backtest.study import Plan

    now = datetime.now(UTC)
    since, until = _moment(args.since, now), _moment(args.until, now)
    if since >= until:
        raise ValueError(f"--from {args.since} is not before --to {args.until}")
    every = parse_duration(args.every) if args.every else max(timedelta(minutes=1), _whole((until - since) / 60))
    endless = any(effective_count(metric) is None for metric in spec.metrics)
    longest = timedelta(minutes=10) if endless else until - since
    watched = parse_duration(args.watched) if args.watched else longest
    if every <= timedelta(0) or watched <= timedelta(0):
        raise ValueError("--every and --watched must be more than nothing")
    return Plan(since, until, every, watched)


def _whole(span: timedelta) -> timedelta:
    return timedelta(minutes=span // timedelta(minutes=1))


def _moment(text: str, now: datetime) -> datetime:
    from analysis.schema import parse_duration, parse_time

    if text == "now":
        return now
    with suppress(ValueError):
        return now - abs(parse_duration(text))
    try:
        return parse_time(text)
    except ValueError as error:
        raise ValueError(f"{text}: write a time like 2026-01-31T12:00:00Z, or a span before now like 6h") from error


def _sweep(args: argparse.Namespace, spec: "AnalysisRunSpec") -> tuple[float, ...]:
    from rollouts.backtest.thresholds import around, condition_of, place_of, threshold

    place = place_of(spec)
    if place is None:
        if args.sweep:
            raise ValueError("--sweep: no condition compares with one number that could be another")
        return ()
    if args.sweep:
        return tuple(float(number) for number in args.sweep.split(","))
    found = threshold(condition_of(spec.metrics[place[0]], place[1]))
    return around(found[2]) if found else ()


def _print(spec: "AnalysisRunSpec", plan: "Plan", study: "Study") -> None:
    from analysis.api import AnalysisPhase
    from rollouts.backtest.thresholds import condition_of, place_of

    verdicts = study.verdicts
    print(f"{_at(plan.since)} to {_at(plan.until)}: a release every {plan.every.total_seconds():g} s")
    print(
        f"{len(verdicts.releases)} releases: {verdicts.count(AnalysisPhase.SUCCESSFUL)} succeeded, "
        f"{verdicts.aborted} aborted, {verdicts.count(AnalysisPhase.INCONCLUSIVE)} paused"
    )
    readings = verdicts.readings()
    print(f"readings: {', '.join(f'{count} {phase}' for phase, count in sorted(readings.items()))}")
    for one in verdicts.incidents:
        releases = "1 release" if one.releases == 1 else f"{one.releases} releases"
        print(f"  aborts from {_at(one.first)} to {_at(one.last)}: {releases}, the first: {one.message}")
    place = place_of(spec)
    if study.sweep and place is not None:
        print(f"with other thresholds in `{condition_of(spec.metrics[place[0]], place[1])}`:")
        for number, other in study.sweep:
            when = ", ".join(_at(one.first) for one in other.incidents) or "never"
            print(f"  {number:>10g}  {other.aborted:>5} aborted  {when}")


def _document(study: "Study") -> dict[str, object]:
    return {**_verdicts(study.verdicts), "sweep": [{"threshold": n, **_verdicts(v)} for n, v in study.sweep]}


def _verdicts(verdicts: "Verdicts") -> dict[str, object]:
    from analysis.api import AnalysisPhase

    return {
        "releases": len(verdicts.releases),
        "succeeded": verdicts.count(AnalysisPhase.SUCCESSFUL),
        "aborted": verdicts.aborted,
        "paused": verdicts.count(AnalysisPhase.INCONCLUSIVE),
        "readings": {str(phase): count for phase, count in verdicts.readings().items()},
        "incidents": [
            {"first": _at(one.first), "last": _at(one.last), "releases": one.releases, "message": one.message}
            for one in verdicts.incidents
        ],
    }


def _at(moment: datetime) -> str:
    from analysis.schema import format_time

    return format_time(moment)
