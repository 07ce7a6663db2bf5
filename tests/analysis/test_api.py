"""The models: what a manifest says comes back as it was said."""

from typing import Any

import pytest
from pydantic import ValidationError

from analysis.api import AnalysisPhase, AnalysisRun, AnalysisRunStatus, AnalysisTemplate, Argument, Metric, RunSummary


def test_a_run_without_status_is_at_its_beginning() -> None:
    run = AnalysisRun.model_validate({"metadata": {"name": "r"}, "spec": {"metrics": []}})
    assert run.status.phase is AnalysisPhase.NONE
    assert run.wire()["status"] == {"phase": "", "runSummary": {}}


@pytest.mark.parametrize("status", [{}, {"runSummary": {}}, None])
def test_a_status_without_phase_is_at_its_beginning(status: Any) -> None:
    run = AnalysisRun.model_validate({"spec": {"metrics": []}, "status": status})
    assert run.status.phase is AnalysisPhase.NONE


def test_metrics_may_not_be_null() -> None:
    with pytest.raises(ValidationError, match="metrics"):
        AnalysisRun.model_validate({"spec": {"metrics": None}})


def test_zeros_are_left_out_and_pointers_are_not() -> None:
    metric = {"name": "m", "count": 0, "provider": {"prometheus": {"address": "", "query": "q", "timeout": 0}}}
    assert Metric.model_validate(metric).wire() == {
        "name": "m",
        "count": 0,
        "provider": {"prometheus": {"query": "q", "timeout": 0}},
    }
    assert Argument(name="a", value="").wire() == {"name": "a", "value": ""}
    status = AnalysisRunStatus(phase=AnalysisPhase.RUNNING, dry_run_summary=RunSummary())
    assert status.wire() == {"phase": "Running", "runSummary": {}, "dryRunSummary": {}}


def test_unknown_fields_are_kept_and_known_by_name() -> None:
    metric = Metric.model_validate({"name": "m", "provider": {}, "later": {"x": 1}})
    assert metric.unknown == ("later",)
    assert metric.wire()["later"] == {"x": 1}


def test_times_are_written_in_whole_seconds_of_utc() -> None:
    status = AnalysisRunStatus.model_validate({"phase": "Running", "startedAt": "2026-01-01T13:00:00.5+01:00"})
    assert status.wire()["startedAt"] == "2026-01-01T12:00:00Z"


def test_an_unknown_provider_setting_of_datadog_is_refused() -> None:
    with pytest.raises(ValidationError, match="apiVersion"):
        Metric.model_validate({"name": "m", "provider": {"datadog": {"apiVersion": "v3"}}})
    datadog = Metric.model_validate({"name": "m", "provider": {"datadog": {"query": "q"}}}).wire()["provider"][
        "datadog"
    ]
    assert datadog == {"query": "q", "apiVersion": "v1", "interval": "5m", "requestTimeout": "10s"}


def test_every_provider_of_the_api_comes_back_as_it_was() -> None:
    providers: list[dict[str, Any]] = [
        {"job": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {}}}},
        {"newRelic": {"profile": "p", "query": "q", "timeout": 3}},
        {"wavefront": {"address": "a", "query": "q"}},
        {"graphite": {"address": "a", "query": "q"}},
        {"influxdb": {"profile": "p", "query": "q"}},
        {"skywalking": {"address": "a", "query": "q", "interval": "1m"}},
        {"cloudWatch": {"interval": "5m", "metricDataQueries": [{"id": "a", "expression": "e", "period": "300"}]}},
        {
            "kayenta": {
                "address": "a",
                "threshold": {"pass": 90, "marginal": 75},
                "scopes": [
                    {"name": "d", "controlScope": {"scope": "c", "step": 60}, "experimentScope": {"scope": "e"}}
                ],
            }
        },
        {"plugin": {"x/y": {"free": ["form"]}}},
        {"web": {"url": "u", "jsonBody": {"a": None, "b": 0}, "method": "POST"}},
    ]
    for provider in providers:
        given = {"name": "m", "provider": provider}
        assert Metric.model_validate(given).wire() == given


def test_a_template_knows_its_name() -> None:
    template = AnalysisTemplate.model_validate(
        {"metadata": {"name": "t"}, "spec": {"templates": [{"templateName": "u"}]}}
    )
    assert template.name == "t"
    assert template.wire()["spec"] == {"templates": [{"templateName": "u"}]}
