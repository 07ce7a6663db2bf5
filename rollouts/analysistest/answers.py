"""What a test writes down becomes what a provider hears: HTTP without a network, or a verdict without a provider."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import httpx

from analysis.api import Measurement, Metric
from analysis.expr.values import format_float
from rollouts.analysistest.fixture import Answer


class CannotAnswer(Exception):
    """The test gives a metric no answer that its provider could hear. The text is for the user."""


class Script:
    """The answers of one metric, one a measurement, the last one for ever."""

    def __init__(self, metric: str, answers: Sequence[Answer]) -> None:
        if not answers:
            raise CannotAnswer(f"the test has no answers for metric '{metric}'")
        self._answers = [answer for answer in answers for _ in range(answer.times)]
        self._next = 0

    def next(self) -> Answer:
        """The answer to the next measurement."""
        answer = self._answers[min(self._next, len(self._answers) - 1)]
        self._next += 1
        return answer


def transport(metric: Metric, answer: Answer, counting: Metric | None = None) -> httpx.MockTransport:
    """Every request of one measurement is answered with `answer`, but for that of `counting`, which counts samples.

    CannotAnswer when the answer fits the provider not.
    """
    body, samples = _body(metric, answer), json.dumps({"status": "success", "data": _number(answer.samples)})

    async def handle(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(answer.delay.total_seconds())
        counts = counting is not None and _query(request) == _query_of(counting) != _query_of(metric)
        return httpx.Response(answer.status, text=samples if counts else body)

    return httpx.MockTransport(handle)


def _query(request: httpx.Request) -> str:
    return parse_qs(request.content.decode()).get("query", [""])[0]


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
    return json.dumps({"status": "success", "data": _data(answer, in_range=spec.range_query is not None)})


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
