"""Filling {{args.x}}."""

import pytest

from analysis.api import Argument
from analysis.arguments import ArgumentError, fill_metrics, redact, resolve_metrics, secret_keys, undeclared
from tests.analysis.runs import metric

SECRET = Argument.model_validate({"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})


@pytest.mark.parametrize("value", ['say "hi"', "two\nlines\tand tabs", "back\\slash", "ünïcödé 😀", "", "{{args.x}}"])
def test_values_survive_the_round_trip(value: str) -> None:
    (filled,) = fill_metrics([metric(successCondition="result == '{{args.x}}'")], {"x": value})
    assert filled.success_condition == f"result == '{value}'"


def test_every_text_is_filled() -> None:
    provider = {"web": {"url": "http://{{ args.x }}", "headers": [{"key": "K", "value": "{{args.x}}"}]}}
    (filled,) = fill_metrics(
        [metric("{{args.x}}", count="{{args.n}}", interval="{{args.n}}s", provider=provider)], {"x": "y", "n": "3"}
    )
    assert (filled.name, filled.count, filled.interval) == ("y", "3", "3s")
    assert filled.provider.web is not None
    assert (filled.provider.web.url, filled.provider.web.headers[0].value) == ("http://y", "y")


@pytest.mark.parametrize(("value", "char"), [("\x07", "a"), ("\x01", "x"), ("\v", "v"), ("\U000e0001", "U")])
def test_a_value_that_json_cannot_take_is_refused(value: str, char: str) -> None:
    with pytest.raises(ArgumentError, match=f"invalid character '{char}' in string escape code"):
        fill_metrics([metric(interval="{{args.x}}")], {"x": value})


def test_the_last_unknown_tag_of_the_first_metric_is_named() -> None:
    one = metric("one", successCondition="{{args.late}}", interval="{{ args.early }}")
    two = metric("two", interval="{{args.other}}")
    with pytest.raises(ArgumentError) as refused:
        fill_metrics([one, two], {})
    assert str(refused.value) == "metric 'one': failed to resolve {{args.late}}"
    with pytest.raises(ArgumentError) as refused:
        fill_metrics([metric(interval="{{ args.yy }}")], {})
    assert str(refused.value) == "metric 'm': failed to resolve {{ args.yy }}"


def test_the_order_of_the_fields_is_the_order_of_the_api() -> None:
    spec = metric(consecutiveSuccessLimit="{{args.last}}", provider={"prometheus": {"query": "{{args.query}}"}})
    assert undeclared(spec, ()) == "args.last"
    assert undeclared(spec, ("last",)) == "args.query"
    assert undeclared(spec, ("last", "query")) == ""


def test_a_tag_that_is_no_argument_is_unknown() -> None:
    with pytest.raises(ArgumentError, match=r"failed to resolve \{\{inputs\.x\}\}"):
        fill_metrics([metric(interval="{{inputs.x}}")], {"x": "1"})


def test_an_unterminated_tag_swallows_what_follows() -> None:
    spec = metric(provider={"prometheus": {"address": "a", "query": "rate({{args.v)"}})
    with pytest.raises(ArgumentError) as refused:
        fill_metrics([spec], {"v": "1"})
    assert str(refused.value) == (
        'metric \'m\': failed to resolve {{args.v)","authentication":{"sigv4":{},"oauth2":{},"basicAuth":{}}'
    )


def test_every_argument_needs_a_value() -> None:
    resolved = resolve_metrics([metric()], [Argument(name="unused")], {})
    assert resolved.error == 'Unable to resolve metric arguments: argument "unused" was not supplied'


def test_secrets_reach_providers_only() -> None:
    spec = metric(provider={"web": {"url": "http://h/{{args.token}}"}})
    assert secret_keys([SECRET]) == (("s", "k"),)
    resolved = resolve_metrics([spec], [SECRET], {("s", "k"): "hunter2"})
    assert resolved.metrics[0].provider.web is not None
    assert resolved.metrics[0].provider.web.url == "http://h/temp-for-secret"
    assert resolved.measured[0].provider.web is not None
    assert resolved.measured[0].provider.web.url == "http://h/hunter2"
    assert "hunter2" not in repr(resolved)
    assert resolved.redact("GET http://h/hunter2: refused") == "GET http://h/*****: refused"


def test_a_secret_wins_over_a_value() -> None:
    both = SECRET.model_copy(update={"value": "plain"})
    resolved = resolve_metrics([metric(interval="{{args.token}}")], [both], {("s", "k"): "9s"})
    assert resolved.measured[0].interval == "9s"


def test_redaction_leaves_no_tail_of_a_longer_secret() -> None:
    assert redact("abcdef abc", ["abc", "abcdef", ""]) == "***** *****"


def test_a_filled_metric_that_is_not_valid_is_refused() -> None:
    spec = metric(provider={"datadog": {"query": "q"}})
    spec = spec.model_copy(update={"initial_delay": "{{args.x}}", "count": "{{args.x}}"})
    assert fill_metrics([spec], {"x": "1"})[0].count == "1"
