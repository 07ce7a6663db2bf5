"""What a test writes down becomes what a provider hears: HTTP without a network, or a verdict without a provider."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import httpx

from analysis.api import Measurement, Metric
from analysis.asked.comparison import Compare
from analysis.asked.evidence import Evidence, counting
from analysis.asked.lack import Asked
from analysis.asked.requests import Requests
from analysis.expr.gotypes.values import format_float
from rollouts.analysistest.fixture import Answer, Rise


class CannotAnswer(Exception):
    """The test gives a metric no answer that its provider could hear. The text is for the user."""


class Script:
    """The answers of one metric, one a measurement, the last one for ever."""

    def __init__(self, metric: str, answers: Sequence[Answer]) -> None:
        if not answers:
            raise CannotAnswer(f"the test has no answers for metric '{metric}'")
        self._answers = [answer for answer in answers for _ in range(answer.times)]
        self._next = 0

    @property
    def answer(self) -> Answer:
        """The answer to the measurement that is taken."""
        return self._answers[min(self._next, len(self._answers) - 1)]

    def heard(self) -> None:
        """It was given: the next measurement hears the next one."""
        self._next += 1


class Said(httpx.MockTransport):
    """Every request of one measurement is answered with `answer`, as far as it is for the metric's own query.

    What annotations ask besides is answered by `samples`, `canary` and `stable`. `heard`: whether anything was asked.
    CannotAnswer when the answer does not fit.
    """

    def __init__(self, metric: Metric, answer: Answer, asked: Asked | None = None) -> None:
        super().__init__(self._handle)
        self.heard = False
        self._answer = answer
        if isinstance(asked, Requests):
            self._told = counters(metric, answer, asked)
        else:
            body, samples = _body(metric, answer), _success(_number(answer.samples))
            count = counting(metric, asked) if isinstance(asked, Evidence) else None
            counts = _query_of(count) if count and _query_of(count) != _query_of(metric) else None
            self._told = lambda request: samples if counts and _query(request) == counts else body

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.heard = True
        await asyncio.sleep(self._answer.delay.total_seconds())
        return httpx.Response(self._answer.status, text=self._told(request))


def _query(request: httpx.Request) -> str:
    return _form(request).get("query", "")


def _form(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.content.decode()).items()}


def _query_of(metric: Metric) -> str:
    return metric.provider.prometheus.query if metric.provider.prometheus else ""


def verdict(answer: Answer, measurement: Measurement) -> Measurement:
    """The measurement with the phase that the test says."""
    assert answer.phase is not None, "only a verdict comes here"
    return measurement.model_copy(update={"phase": answer.phase})


def _body(metric: Metric, answer: Answer) -> str:
    if answer.body is not None:
        return answer.body
    if answer.json_ is not None:
        return json.dumps(answer.json_)
    if answer.value is None and answer.scalar is None:
        return ""
    spec = metric.provider.prometheus
    if spec is None:
        raise CannotAnswer(f"metric '{metric.name}' asks no Prometheus: answer with json, body or phase")
    return _success(_data(answer, in_range=spec.range_query is not None))


def _success(data: dict[str, Any]) -> str:
    return json.dumps({"status": "success", "data": data})


def _number(value: float) -> dict[str, Any]:
    return {"resultType": "scalar", "result": [0, format_float(value)]}


def _data(answer: Answer, *, in_range: bool) -> dict[str, Any]:
    if answer.scalar is not None:
        return _number(answer.scalar)
    given = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    values = [format_float(value) for value in given if value is not None]
    if in_range:
        series = [{"metric": {}, "values": [[at, value] for at, value in enumerate(values)]}] if values else []
        return {"resultType": "matrix", "result": series}
    return {
        "resultType": "vector",
        "result": [{"metric": {"n": str(n)}, "value": [0, value]} for n, value in enumerate(values)],
    }


# ── requests, counted as Prometheus counts them ────────────────────────────


def counters(metric: Metric, answer: Answer, asked: Requests) -> Callable[[httpx.Request], str]:
    """What Prometheus says of counters that stood at 0 and have risen to what the answer says."""
    sides = {"canary": asked.canary} | ({"stable": asked.stable} if isinstance(asked, Compare) else {})
    stand: dict[str, float] = {}
    for side, labels in sides.items():
        told: Rise | None = getattr(answer, side)
        if told is None and (answer.status != httpx.codes.OK or answer.delay):
            return lambda request: ""
        if told is None:
            raise CannotAnswer(f"metric '{metric.name}' compares requests: answer with {' and '.join(sides)}")
        total, part = asked.counters(labels)
        stand |= {total: told.all, part: told.all - told.bad if asked.slow else told.bad}
    return lambda request: _counter(stand, _form(request))


def _counter(stand: Mapping[str, float], form: Mapping[str, str]) -> str:
    query, at = form["query"], float(form["time"])
    for selector, number in stand.items():
        point = [at, format_float(number)]
        if query.startswith(f"{selector}["):
            return _success({"resultType": "matrix", "result": [{"metric": {}, "values": [point]}]})
        if query.startswith(f"sum(increase({selector}["):
            return _success({"resultType": "vector", "result": [{"metric": {}, "value": point}]})
        if query.startswith(f"last_over_time({selector}["):
            return _success({"resultType": "vector", "result": [{"metric": {}, "value": [at, "0"]}]})
    raise CannotAnswer(f"nothing is known of {query}")
