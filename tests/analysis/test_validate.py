"""What a run's spec may not say."""

from typing import Any

import pytest

from analysis.validate import invalid_metrics, invalid_run, matching
from tests.analysis.runs import metric, run


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, ""),
        ({"count": 2}, "interval must be specified when count > 1"),
        (
            {"count": 1, "failureLimit": 2},
            "count (1) must be >= failureLimit + consecutiveSuccessLimit (2 + 0) if both >= 0",
        ),
        (
            {"count": "3", "failureLimit": "2", "consecutiveSuccessLimit": 2, "interval": "1s"},
            "count (3) must be >= failureLimit + consecutiveSuccessLimit (2 + 2) if both >= 0",
        ),
        ({"failureLimit": -1}, "failureLimit and consecutiveSuccessLimit cannot both be disabled"),
        ({"failureLimit": "-1"}, "failureLimit and consecutiveSuccessLimit cannot both be disabled"),
        ({"failureLimit": -2}, "failureLimit must be >= 0, or -1 to be disabled"),
        ({"failureLimit": -1, "consecutiveSuccessLimit": 1}, ""),
        (
            {"failureLimit": -1, "consecutiveSuccessLimit": 3, "count": 2, "interval": "1s"},
            "count must be >= consecutiveSuccessLimit",
        ),
        ({"consecutiveSuccessLimit": -1}, "consecutiveSuccessLimit must be >= 0"),
        ({"inconclusiveLimit": -1}, "inconclusiveLimit must be >= 0"),
        ({"consecutiveErrorLimit": -1}, "consecutiveErrorLimit must be >= 0"),
        ({"count": 1, "inconclusiveLimit": 2}, "count must be >= inconclusiveLimit"),
        ({"interval": "1d"}, 'invalid interval string: time: unknown unit "d" in duration "1d"'),
        ({"interval": "5"}, 'invalid interval string: time: missing unit in duration "5"'),
        ({"initialDelay": "x"}, 'invalid startDelay string: time: invalid duration "x"'),
        ({"provider": {}}, "no provider specified"),
        ({"provider": {"plugin": {}}}, "no provider specified"),
        ({"provider": {"plugin": {"a": {}, "b": {}}}}, "multiple providers specified"),
        ({"provider": {"prometheus": {}, "web": {"url": "http://x"}}}, "multiple providers specified"),
        ({"count": -1, "interval": "1s"}, ""),
        ({"count": "10%", "interval": "1s"}, ""),
    ],
)
def test_faults_of_one_metric(fields: dict[str, Any], error: str) -> None:
    assert invalid_metrics([metric(**fields)]) == (f"metrics[0]: {error}" if error else "")


def test_a_run_needs_metrics() -> None:
    assert invalid_run(run().spec, []) == "Analysis spec invalid: no metrics specified"


def test_names_are_unique() -> None:
    assert invalid_metrics([metric("a"), metric("a")]) == "metrics[1]: duplicate name 'a'"


@pytest.mark.parametrize("field", ["dryRun", "measurementRetention"])
@pytest.mark.parametrize("pattern", ["*", "other", "(", "a{2,1}"])
def test_a_rule_that_matches_no_metric_is_a_fault(field: str, pattern: str) -> None:
    rules: Any = [{"metricName": ".*", "limit": 1}, {"metricName": pattern, "limit": 1}]
    spec = run(metric("rate"), **dict[str, Any]({field: rules})).spec
    assert invalid_run(spec, spec.metrics) == f"Analysis spec invalid: {field}[1]: Rule didn't match any metric name(s)"


def test_rules_search_within_the_name() -> None:
    assert matching("rate", [metric("error-rate"), metric("latency")]) == ("error-rate",)
    assert matching("^rate", [metric("error-rate")]) == ()
    assert matching(".*", [metric("a"), metric("b")]) == ("a", "b")
