"""Pure. Metrics and queries with their arguments filled in, as far as the files tell; stand-ins for the rest."""

import re
from collections.abc import Iterable, Iterator, Mapping

from analysis.api import Argument, Metric
from analysis.arguments import ArgumentError, fill
from rollouts.lint.promql import PromqlError, Query, parse

_TAG = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_NAME = re.compile(r"args\.(.+)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_BRACKETS = re.compile(r"\[[^\]]*\]")
_STAND_INS = ("1", "x", "5m")


def tags(text: str) -> tuple[str, ...]:
    """The names of the arguments that a text asks for."""
    found = (_NAME.fullmatch(tag) for tag in _TAG.findall(text))
    return tuple(match[1] for match in found if match)


def asked_for(metric: Metric) -> frozenset[str]:
    """The names of the arguments that a metric asks for anywhere."""
    return frozenset(tags(metric.model_dump_json(by_alias=True)))


def known(args: Iterable[Argument]) -> dict[str, str]:
    """The values that are written down."""
    return {arg.name: arg.value for arg in args if arg.value is not None}


def likely(metric: Metric, args: Iterable[Argument]) -> Metric:
    """The metric with every argument filled in; "1" stands for a value that only the cluster or the user knows."""
    values = dict.fromkeys(asked_for(metric), "1") | known(args)
    try:
        filled = fill(metric, tuple(sorted(values.items())))
    except ArgumentError:  # a tag that asks for no argument: another rule tells
        filled = metric
    unknown = asked_for(metric) - known(args).keys()
    durations = {
        name: "1m" for name in ("interval", "initial_delay") if unknown.intersection(tags(getattr(metric, name)))
    }
    counts = {
        name: None
        for name in ("count", "failure_limit", "inconclusive_limit", "consecutive_error_limit")
        if unknown.intersection(tags(str(getattr(metric, name) or "")))
    }
    return filled.model_copy(update=durations | counts)


def query(text: str, args: Mapping[str, str]) -> Query:
    """A PromQL query whose arguments `args` may leave open. PromqlError when it parses with no value of them."""
    text = _TAG.sub(lambda tag: _value(tag[0], args), text)
    text = _STRING.sub(lambda found: _TAG.sub("x", found[0]), text)
    text = _BRACKETS.sub(lambda found: _TAG.sub("5m", found[0]), text)
    error = PromqlError("")
    for candidate in _candidates(text):
        try:
            return parse(candidate)
        except PromqlError as caught:
            error = caught
    raise error


def _value(tag: str, args: Mapping[str, str]) -> str:
    names = tags(tag)
    return args.get(names[0], tag) if names else tag


def _candidates(text: str) -> Iterator[str]:
    if not _TAG.search(text):
        yield text
        return
    for stand_in in _STAND_INS:
        yield _TAG.sub(stand_in, text)
