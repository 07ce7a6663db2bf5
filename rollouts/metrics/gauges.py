"""Pure. What the objects of a cluster say about themselves, as Prometheus gauges read from raw objects."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric

from analysis.validate import matching_names
from rollouts.kube.fields import number, part, parts, text
from rollouts.kube.refs import Obj, name_of, namespace_of

ROLLOUT_PHASES = ("Completed", "Progressing", "Paused", "Timeout", "Error", "Abort")
RUN_PHASES = ("Pending", "Error", "Failed", "Successful", "Running", "Inconclusive")
EXPERIMENT_PHASES = ("Pending", "Error", "Successful", "Running", "Inconclusive")
PROOF_STATES = ("TrafficProven", "WaitingForRequests", "TrafficDiffers", "TrafficLeak", "TrafficUnproven")
_ROUTERS = (
    ("alb", "ALB"),
    ("ambassador", "Ambassador"),
    ("istio", "Istio"),
    ("nginx", "Nginx"),
    ("smi", "SMI"),
    ("appMesh", "AppMesh"),
)
_PHASE_OF_REASON = {
    "NewReplicaSetAvailable": "Completed",
    "RolloutPaused": "Paused",
    "ReplicaSetCreateError": "Error",
    "RolloutAborted": "Abort",
    "ProgressDeadlineExceeded": "Timeout",
}


def _none() -> Iterable[Obj]:
    return ()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the objects are: each a function that gives the raw objects of a kind, as a cache holds them."""

    rollouts: Callable[[], Iterable[Obj]] = _none
    experiments: Callable[[], Iterable[Obj]] = _none
    analysis_runs: Callable[[], Iterable[Obj]] = _none
    analysis_templates: Callable[[], Iterable[Obj]] = _none
    cluster_analysis_templates: Callable[[], Iterable[Obj]] = _none


def families(sources: Sources) -> Iterator[Metric]:
    """The gauges of every object there is."""
    yield from _rollouts(sources.rollouts())
    yield from _proofs(sources.rollouts())
    yield from _experiments(sources.experiments())
    yield from _analysis_runs(sources.analysis_runs())
    yield from _templates((*sources.analysis_templates(), *sources.cluster_analysis_templates()))


def strategy_of(rollout: Obj) -> str:
    """blueGreen, canary or none."""
    strategy = part(rollout, "spec", "strategy")
    return next((name for name in ("blueGreen", "canary") if strategy.get(name) is not None), "none")


def router_of(rollout: Obj) -> str:
    """The last of the named routers in Argo's order, "" for none or another one."""
    if strategy_of(rollout) != "canary":
        return ""
    routing = part(rollout, "spec", "strategy", "canary", "trafficRouting")
    return next((name for field, name in reversed(_ROUTERS) if routing.get(field) is not None), "")


def phase_of(rollout: Obj) -> str:
    """One of ROLLOUT_PHASES or InvalidSpec, from the conditions."""
    conditions = {condition.get("type"): condition for condition in parts(rollout, "status", "conditions")}
    if "InvalidSpec" in conditions:
        return "InvalidSpec"
    return _PHASE_OF_REASON.get(conditions.get("Progressing", {}).get("reason", ""), "Progressing")


def _rollouts(rollouts: Iterable[Obj]) -> Iterator[Metric]:
    info = _gauge("rollout_info", "Information about a rollout.", "strategy", "traffic_router", "phase")
    counts = {
        kind: _gauge(f"rollout_info_replicas_{kind}", f"The number of {kind} replicas of a rollout.")
        for kind in ("available", "unavailable", "desired", "updated")
    }
    phases = _gauge("rollout_phase", "The phase of a rollout (deprecated: see rollout_info).", "strategy", "phase")
    for rollout in rollouts:
        who, phase, strategy = _who(rollout), phase_of(rollout), strategy_of(rollout)
        available, total = number(rollout, "status", "availableReplicas"), number(rollout, "status", "replicas")
        info.add_metric([*who, strategy, router_of(rollout), phase], 1)
        counts["available"].add_metric(who, available)
        counts["unavailable"].add_metric(who, total - available)
        counts["desired"].add_metric(who, number(rollout, "spec", "replicas", default=1))
        counts["updated"].add_metric(who, number(rollout, "status", "updatedReplicas"))
        for each in ROLLOUT_PHASES:
            phases.add_metric([*who, strategy, each], each == phase)
    yield from (info, *counts.values(), phases)


def _proofs(rollouts: Iterable[Obj]) -> Iterator[Metric]:
    """Of Rollouts that ask for proof of their traffic: what is known of it, by the reasons of the condition."""
    known = _gauge("rollout_traffic_proof", "Whether requests follow the weights of a rollout.", "state")
    for rollout in rollouts:
        conditions = {condition.get("type"): condition for condition in parts(rollout, "status", "conditions")}
        if "TrafficProven" in conditions:
            reason = conditions["TrafficProven"].get("reason", "")
            for each in PROOF_STATES:
                known.add_metric([*_who(rollout), each], each == reason)
    if known.samples:
        yield known


def _experiments(experiments: Iterable[Obj]) -> Iterator[Metric]:
    info = _gauge("experiment_info", "Information about an experiment.", "phase")
    phases = _gauge("experiment_phase", "The phase of an experiment (deprecated: see experiment_info).", "phase")
    for experiment in experiments:
        _phase(experiment, info, phases, EXPERIMENT_PHASES)
    yield from (info, phases)


def _analysis_runs(runs: Iterable[Obj]) -> Iterator[Metric]:
    info = _gauge("analysis_run_info", "Information about an analysis run.", "phase")
    phases = _gauge("analysis_run_phase", "The phase of an analysis run (deprecated: see analysis_run_info).", "phase")
    types = _gauge("analysis_run_metric_type", "The provider of a metric of an analysis run.", "metric", "type")
    results = _gauge("analysis_run_metric_phase", "The phase of a metric.", "metric", "type", "dry_run", "phase")
    for run in runs:
        _phase(run, info, phases, RUN_PHASES)
        found = {result.get("name"): result for result in parts(run, "status", "metricResults")}
        # By name: an invalid run may have two of one, and no series may be there twice.
        metrics = {str(metric.get("name", "")): _provider(metric) for metric in parts(run, "spec", "metrics")}
        dry = _dry(run, metrics)
        for name, provider in metrics.items():
            types.add_metric([*_who(run), name, provider], 1)
            phase = found.get(name, {}).get("phase") or "Pending"
            for each in RUN_PHASES:
                results.add_metric([*_who(run), name, provider, str(name in dry).lower(), each], each == phase)
    yield from (info, phases, types, results)


def _dry(run: Obj, names: Iterable[str]) -> frozenset[str]:
    """Which metrics decide nothing, by the rules of the spec: a label that came only with the first measurement would
    break the series in two."""
    rules = [text(rule, "metricName") for rule in parts(run, "spec", "dryRun")]
    return frozenset(name for rule in rules for name in matching_names(rule, names))


def _templates(templates: Iterable[Obj]) -> Iterator[Metric]:
    info = _gauge("analysis_template_info", "Information about an analysis template.")
    metrics = _gauge("analysis_template_metric_info", "A metric of an analysis template.", "type", "metric")
    for template in templates:
        info.add_metric(_who(template), 1)
        every = ((_provider(metric), str(metric.get("name", ""))) for metric in parts(template, "spec", "metrics"))
        for provider, name in dict.fromkeys(every):
            metrics.add_metric([*_who(template), provider, name], 1)
    yield from (info, metrics)


def _phase(obj: Obj, info: GaugeMetricFamily, phases: GaugeMetricFamily, known: tuple[str, ...]) -> None:
    """Until somebody has looked at it, an object has no phase for `info` and is Pending for `phases`, as with Argo."""
    phase = text(obj, "status", "phase")
    info.add_metric([*_who(obj), phase], 1)
    for each in known:
        phases.add_metric([*_who(obj), each], each == (phase or "Pending"))


def _provider(metric: Obj) -> str:
    """The provider's name as Argo labels it; of several that are given, the one that it would ask."""
    given = part(metric, "provider")
    return next((name for field, name in _PROVIDERS if given.get(field) is not None), "Unknown Provider")


_PROVIDERS = (
    ("prometheus", "Prometheus"),
    ("job", "Job"),
    ("kayenta", "Kayenta"),
    ("web", "Web"),
    ("datadog", "Datadog"),
    ("wavefront", "Wavefront"),
    ("newRelic", "NewRelic"),
    ("cloudWatch", "CloudWatch"),
    ("graphite", "Graphite"),
    ("influxdb", "Influxdb"),
    ("skywalking", "skywalking"),
    ("plugin", "RPCPlugin"),
)


def _gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["namespace", "name", *labels])


def _who(obj: Obj) -> list[str]:
    return [namespace_of(obj), name_of(obj)]
