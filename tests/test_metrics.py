"""The exposition: Argo Rollouts' names and labels, objects as they stand, series of deleted objects gone."""

import asyncio
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analysis.metricprovider import MetricProvider
from rollouts.kube.http import Request
from rollouts.kube.queue import Queue
from rollouts.kube.refs import EVENT, ROLLOUT, SERVICE, Obj
from rollouts.metrics import Metrics
from rollouts.metrics.gauges import Sources, phase_of, router_of, strategy_of

SAMPLES = Path(__file__).parents[2] / "shared" / "contract" / "metrics-samples.txt"


def rollout(name: str = "shop", **parts: Any) -> Obj:
    return {"kind": "Rollout", "metadata": {"namespace": "prod", "name": name}, **parts}


def progressing(reason: str) -> Obj:
    return {"conditions": [{"type": "Available"}, {"type": "Progressing", "reason": reason}]}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3", commit="abc")


def lines(metrics: Metrics, name: str) -> list[str]:
    return [line for line in metrics.expose().decode().splitlines() if re.match(rf"{name}(\{{| )", line)]


async def everything(metrics: Metrics) -> None:
    """One of each thing that can be counted or shown."""
    template: Obj = {
        "metadata": {"namespace": "prod", "name": "success-rate"},
        "spec": {"metrics": [{"name": "rate", "provider": {"prometheus": {"query": "up"}}}]},
    }
    run = {**template, "kind": "AnalysisRun", "status": {"metricResults": [{"name": "rate", "phase": "Running"}]}}
    one: Obj = {"spec": {"strategy": {"canary": {}}}, "status": progressing("RolloutPaused")}
    metrics.sources = Sources(
        rollouts=lambda: [rollout(**one)],
        experiments=lambda: [rollout()],
        analysis_runs=lambda: [run],
        analysis_templates=lambda: [template],
    )
    for kind in ("Rollout", "Experiment", "AnalysisRun"):
        metrics.reconciled(kind, "prod", "shop", 0.02, failed=True)
    metrics.event(rollout(), "Normal", "RolloutPaused")
    metrics.request(Request("Patch", ROLLOUT, "prod", "shop", 200))
    metrics.update_ended("Promoted", 100, 20)
    metrics.metered(Queue("Rollouts"))


async def test_every_family_of_argo_rollouts_is_there_with_its_type_and_labels(metrics: Metrics) -> None:
    if not SAMPLES.exists():
        pytest.skip("the list of Argo Rollouts' metrics is not beside the repository")
    await everything(metrics)
    text = metrics.expose().decode()
    declared, sampled = SAMPLES.read_text().split("\n\n", 1)
    for line in declared.splitlines()[1:]:
        assert f"# TYPE {line}" in text
    unseen = {"notification_send_count"}  # nobody sends notifications yet
    for line in filter(None, sampled.splitlines()):
        name, _, labels = line.partition("{")
        expected = sorted(label for label in re.split(r"[=,}]+", labels) if label)
        shown = lines(metrics, name)
        assert shown or name in unseen, f"no sample of {name}"
        assert all(sorted(re.findall(r'(\w+)="', sample)) == expected for sample in shown)


async def test_counters_keep_argos_names_without_a_suffix(metrics: Metrics) -> None:
    await everything(metrics)
    assert lines(metrics, "rollout_reconcile_error") == ['rollout_reconcile_error{name="shop",namespace="prod"} 1.0']
    assert b"_error_total" not in metrics.expose()
    assert b"_created" not in metrics.expose()


def test_a_leak_of_traffic_is_shown_of_those_who_ask_for_proof(metrics: Metrics) -> None:
    leaking = {"conditions": [{"type": "TrafficProven", "status": "False", "reason": "TrafficLeak"}]}
    metrics.sources = Sources(rollouts=lambda: [rollout(status=leaking), rollout("cart")])
    shown = lines(metrics, "rollout_traffic_proof")
    assert len(shown) == 5
    assert [line for line in shown if line.endswith(" 1.0")] == [
        'rollout_traffic_proof{name="shop",namespace="prod",state="TrafficLeak"} 1.0'
    ]


def test_a_standby_shows_no_objects(metrics: Metrics) -> None:
    assert lines(metrics, "rollout_info") == []
    assert lines(metrics, "build_info") != []


def test_a_rollout_is_shown_as_it_stands(metrics: Metrics) -> None:
    shown = rollout(
        spec={"replicas": 5, "strategy": {"canary": {"trafficRouting": {"istio": {}}}}},
        status={"replicas": 6, "availableReplicas": 4, "updatedReplicas": 2, **progressing("ReplicaSetUpdated")},
    )
    metrics.sources = Sources(rollouts=lambda: [shown])
    assert lines(metrics, "rollout_info") == [
        'rollout_info{name="shop",namespace="prod",phase="Progressing",strategy="canary",traffic_router="Istio"} 1.0'
    ]
    for kind, number in (("available", 4), ("unavailable", 2), ("desired", 5), ("updated", 2)):
        assert lines(metrics, f"rollout_info_replicas_{kind}")[0].endswith(f" {number}.0")
    active = [line for line in lines(metrics, "rollout_phase") if line.endswith(" 1.0")]
    assert len(lines(metrics, "rollout_phase")) == 6
    assert len(active) == 1
    assert 'phase="Progressing"' in active[0]


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        ("NewReplicaSetAvailable", "Completed"),
        ("RolloutPaused", "Paused"),
        ("ReplicaSetCreateError", "Error"),
        ("ProgressDeadlineExceeded", "Timeout"),
        ("RolloutAborted", "Abort"),
        ("anything else", "Progressing"),
    ],
)
def test_the_phase_follows_from_the_progressing_condition(reason: str, phase: str) -> None:
    assert phase_of(rollout(status=progressing(reason))) == phase


def test_an_invalid_spec_wins() -> None:
    status = {"conditions": [{"type": "Progressing", "reason": "RolloutPaused"}, {"type": "InvalidSpec"}]}
    assert phase_of(rollout(status=status)) == "InvalidSpec"


def test_strategy_and_router_are_named_as_argo_names_them() -> None:
    assert strategy_of(rollout(spec={"strategy": {"blueGreen": {}}})) == "blueGreen"
    assert strategy_of(rollout()) == "none"
    both: Obj = {"strategy": {"canary": {"trafficRouting": {"smi": {}, "alb": {}}}}}
    assert router_of(rollout(spec=both)) == "SMI"
    assert router_of(rollout(spec={"strategy": {"canary": {"trafficRouting": {"traefik": {}}}}})) == ""


def test_an_object_that_makes_no_sense_does_not_break_the_scrape(metrics: Metrics) -> None:
    broken = [rollout(spec=None, status={"conditions": "none", "replicas": "many"}), rollout("b", spec={"strategy": 1})]
    metrics.sources = Sources(rollouts=lambda: broken, analysis_runs=lambda: [rollout(spec={"metrics": [1, {}]})])
    assert len(lines(metrics, "rollout_info")) == 2


def test_a_router_is_told_of_a_canary_only() -> None:
    both: Obj = {"strategy": {"blueGreen": {}, "canary": {"trafficRouting": {"smi": {}}}}}
    assert (strategy_of(rollout(spec=both)), router_of(rollout(spec=both))) == ("blueGreen", "")


async def test_a_run_that_nobody_has_looked_at_yet_has_no_phase_and_counts_as_pending(metrics: Metrics) -> None:
    metrics.sources = Sources(analysis_runs=lambda: [rollout("run")], experiments=lambda: [rollout("trial")])
    for kind, name, phases in (("analysis_run", "run", 6), ("experiment", "trial", 5)):
        assert lines(metrics, f"{kind}_info") == [f'{kind}_info{{name="{name}",namespace="prod",phase=""}} 1.0']
        shown = lines(metrics, f"{kind}_phase")
        assert (len(shown), [line for line in shown if line.endswith(" 1.0")]) == (
            phases,
            [f'{kind}_phase{{name="{name}",namespace="prod",phase="Pending"}} 1.0'],
        )


PROVIDER_LABELS = {
    "prometheus": "Prometheus",
    "job": "Job",
    "kayenta": "Kayenta",
    "web": "Web",
    "datadog": "Datadog",
    "wavefront": "Wavefront",
    "newRelic": "NewRelic",
    "cloudWatch": "CloudWatch",
    "graphite": "Graphite",
    "influxdb": "Influxdb",
    "skywalking": "skywalking",
    "plugin": "RPCPlugin",
}
"""What Argo Rollouts writes into the label `type`, by the provider's field."""


def test_every_provider_has_a_label_that_dashboards_know() -> None:
    assert PROVIDER_LABELS.keys() == {field.alias or name for name, field in MetricProvider.model_fields.items()}


@pytest.mark.parametrize(
    ("provider", "label"),
    [*(({field: {"x": {}}}, label) for field, label in PROVIDER_LABELS.items()), ({}, "Unknown Provider")],
)
def test_providers_are_labelled_as_argo_rollouts_labels_them(metrics: Metrics, provider: Obj, label: str) -> None:
    measured = rollout("run", spec={"metrics": [{"name": "rate", "provider": provider}]})
    metrics.sources = Sources(analysis_runs=lambda: [measured], analysis_templates=lambda: [measured])
    for family in ("analysis_run_metric_type", "analysis_run_metric_phase", "analysis_template_metric_info"):
        assert {label for line in lines(metrics, family) for label in re.findall(r'type="([^"]*)"', line)} == {label}


def test_a_metric_is_labelled_dry_by_the_rules_of_the_run_before_anything_was_measured(metrics: Metrics) -> None:
    named: list[Obj] = [{"name": name, "provider": {"web": {}}} for name in ("error-rate", "latency")]
    waiting = rollout("run", spec={"metrics": named, "dryRun": [{"metricName": "^error-.*"}]})
    measured = {**waiting, "status": {"metricResults": [{"name": "error-rate", "phase": "Failed", "dryRun": True}]}}
    for run, phase in ((waiting, "Pending"), (measured, "Failed")):
        metrics.sources = Sources(analysis_runs=partial(list, [run]))
        shown = lines(metrics, "analysis_run_metric_phase")
        dry = [line for line in shown if 'metric="error-rate"' in line]
        assert all('dry_run="true"' in line for line in dry)
        assert [f'phase="{phase}"' in line for line in dry if line.endswith(" 1.0")] == [True]
        assert all('dry_run="false"' in line for line in shown if line not in dry)


def test_bounds_of_buckets_are_written_as_go_writes_them(metrics: Metrics) -> None:
    """Alerts name them: `rollout_duration_seconds_bucket{le="600"}`."""
    metrics.update_ended("Promoted", 100, 20)
    metrics.reconciled("Rollout", "prod", "shop", 0.02)
    metrics.meter("Rollouts").finished(1)

    def bounds(name: str) -> list[str]:
        return re.findall(r'le="([^"]+)"', "".join(lines(metrics, f"{name}_bucket")))

    assert bounds("rollout_duration_seconds")[:2] == ["30", "60"]
    assert bounds("rollout_reconcile") == ["0.01", "0.15", "0.25", "0.5", "1", "+Inf"]
    assert bounds("workqueue_work_duration_seconds")[3:] == [
        *("9.999999999999999e-06", "9.999999999999999e-05", "0.001", "0.01", "0.1", "1", "10", "+Inf")
    ]


def test_no_series_is_there_twice_for_a_run_with_two_metrics_of_one_name(metrics: Metrics) -> None:
    twice = rollout("run", spec={"metrics": [{"name": "m", "provider": {"web": {}}}] * 2})
    metrics.sources = Sources(analysis_runs=lambda: [twice], analysis_templates=lambda: [twice])
    for family, count in (("run_metric_type", 1), ("run_metric_phase", 6), ("template_metric_info", 1)):
        assert len(lines(metrics, f"analysis_{family}")) == count


def test_machines_have_the_names_that_go_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, label in (("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")):
        monkeypatch.setattr("platform.machine", partial(str, machine))
        assert f'goarch="{label}"' in lines(Metrics("1"), "build_info")[0]


def test_requests_are_counted_without_the_names_that_would_never_end(metrics: Metrics) -> None:
    metrics.request(Request("Create", EVENT, "prod", "shop.1", 201))
    metrics.request(Request("List", ROLLOUT, "", "", 200))
    metrics.request(Request("Watch", ROLLOUT, "", "", 200))
    metrics.request(Request("Get", ROLLOUT, "prod", "shop", 404))
    shown = lines(metrics, "controller_clientset_k8s_request_total")
    assert [re.findall(r'name="([^"]*)".*status_code="(\d+)",verb="(\w+)"', line)[0] for line in shown] == [
        ("N/A", "201", "Create"),
        ("N/A", "200", "List"),
        ("", "200", "Watch"),
        ("shop", "404", "Get"),
    ]


def test_events_of_other_kinds_are_not_counted_as_events_of_rollouts(metrics: Metrics) -> None:
    metrics.event({**rollout(), "kind": "AnalysisRun"}, "Normal", "AnalysisRunRunning")
    assert lines(metrics, "rollout_events_total") == []


def test_an_updates_time_is_told_with_and_without_manual_pauses(metrics: Metrics) -> None:
    metrics.update_ended("Promoted", 100, 20)
    assert lines(metrics, "rollout_duration_seconds_sum")[0].endswith(" 100.0")
    assert lines(metrics, "rollout_progression_duration_seconds_sum")[0].endswith(" 80.0")
    assert lines(metrics, "rollout_manual_pause_duration_seconds_sum")[0].endswith(" 20.0")


@pytest.mark.virtual
async def test_the_series_of_a_deleted_rollout_go_after_65_seconds(metrics: Metrics) -> None:
    metrics.reconciled("Rollout", "prod", "shop", 0.1, failed=True)
    metrics.reconciled("Rollout", "prod", "other", 0.1)
    metrics.event(rollout(), "Normal", "RolloutPaused")
    for plural in (ROLLOUT, SERVICE):  # a Service of the same name stays
        metrics.request(Request("Patch", plural, "prod", "shop", 200))
    metrics.forget("Rollout", "prod", "shop")
    await asyncio.sleep(64)
    assert len(lines(metrics, "rollout_events_total")) == 1
    await asyncio.sleep(2)
    assert lines(metrics, "rollout_events_total") == []
    assert lines(metrics, "rollout_reconcile_error") == []
    assert lines(metrics, "rollout_reconcile_count") == ['rollout_reconcile_count{name="other",namespace="prod"} 1.0']
    requests = [line for line in lines(metrics, "controller_clientset_k8s_request_total") if 'name="shop"' in line]
    assert ["services" in line for line in requests] == [True]


@pytest.mark.virtual
async def test_the_series_of_a_rollout_that_came_back_stay(metrics: Metrics) -> None:
    metrics.sources = Sources(rollouts=lambda: [rollout()])
    metrics.event(rollout(), "Normal", "RolloutPaused")
    metrics.forget("Rollout", "prod", "shop")
    await asyncio.sleep(70)
    assert len(lines(metrics, "rollout_events_total")) == 1


@pytest.mark.virtual
async def test_queues_are_measured(metrics: Metrics) -> None:
    queue: Queue[str] = Queue("Rollouts")
    metrics.metered(queue)

    async def work(key: str) -> None:
        await asyncio.sleep(5)

    task = asyncio.create_task(queue.run(work, 1))
    queue.add("a")
    queue.add("b")
    await asyncio.sleep(2)
    assert lines(metrics, "workqueue_depth") == ['workqueue_depth{name="Rollouts"} 1.0']
    assert lines(metrics, "workqueue_longest_running_processor_seconds")[0].endswith(" 2.0")
    await asyncio.sleep(9)
    assert lines(metrics, "workqueue_adds_total")[0].endswith(" 2.0")
    assert lines(metrics, "workqueue_work_duration_seconds_sum")[0].endswith(" 10.0")
    queue.close()
    await task


def test_a_histogram_of_an_object_has_the_buckets_that_its_durations_fall_into(metrics: Metrics) -> None:
    for seconds in (0.01, 0.2, 0.3, 7):
        metrics.reconciled("Rollout", "prod", "shop", seconds)
    found = [re.search(r'le="(.*?)".* (.*)', line) for line in lines(metrics, "rollout_reconcile_bucket")]
    assert {each[1]: float(each[2]) for each in found if each} == {
        "0.01": 1, "0.15": 1, "0.25": 2, "0.5": 3, "1": 3, "+Inf": 4,
    }  # fmt: skip
    assert lines(metrics, "rollout_reconcile_sum")[0].endswith(" 7.51")
