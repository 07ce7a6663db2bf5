"""Takes the measurements that are due: all at once, each with a deadline, and no secret in what comes back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from analysis.api import AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement
from analysis.arguments import ResolvedMetrics, SecretKey, resolve_metrics, secret_keys
from analysis.decide import Taken, Task, TaskKind, retention
from analysis.evidence import EvidenceError, read
from analysis.limits import DEFAULT_RETENTION
from analysis.providers.base import DEADLINE_SLACK, Context, Provider, ProviderError, SecretError, Secrets
from analysis.providers.registry import provider_of
from analysis.providers.weighed import weighed

METRIC_TERMINATED = "Metric Terminated"
_STOPPED = frozenset({AnalysisPhase.SUCCESSFUL, AnalysisPhase.INCONCLUSIVE})


async def resolve(run: AnalysisRun, secrets: Secrets) -> ResolvedMetrics:
    """The run's metrics with their arguments filled in, secrets read from the run's own namespace.

    An exception of `secrets` that is no SecretError passes through: look again later.
    """
    try:
        evidence = read(run.metadata.get("annotations") or {}, run.spec.metrics)
    except EvidenceError as error:
        return ResolvedMetrics(error=f"Analysis spec invalid: {error}")
    found: dict[SecretKey, str] = {}
    data: dict[str, Mapping[str, bytes]] = {}
    for name, key in secret_keys(run.spec.args):
        if name not in data:
            try:
                data[name] = await secrets.get(run.namespace, name)
            except SecretError as error:
                return _unresolved(str(error))
        if key not in data[name]:
            return _unresolved(f"key '{key}' does not exist in secret '{name}'")
        found[name, key] = data[name][key].decode("utf-8", "replace")
    return resolve_metrics(run.spec.metrics, run.spec.args, found, evidence)


def _unresolved(reason: str) -> ResolvedMetrics:
    return ResolvedMetrics(error=f"Unable to resolve metric arguments: {reason}")


async def measure(tasks: Sequence[Task], resolved: ResolvedMetrics, context: Context) -> tuple[Taken, ...]:
    """What came of every task, in their order. Never raises for a provider: that is an Error measurement."""
    taken = await asyncio.gather(*(_take(task, resolved, context) for task in tasks))
    return tuple(_without_secrets(one, resolved) for one in taken)


async def collect(
    tasks: Sequence[Task], resolved: ResolvedMetrics, status: AnalysisRunStatus, context: Context
) -> tuple[str, ...]:
    """Clear away what forgotten measurements of the tasks' metrics have left behind; says what did not work.

    `status` is the one after the tasks: a metric with more measurements behind it than it keeps has forgotten some.
    """
    kept = retention(context.run, resolved.metrics)
    results = {result.name: result for result in status.metric_results}
    faults = []
    for task in tasks:
        limit = kept.get(task.name, 0)
        limit, result = limit if limit > 0 else DEFAULT_RETENTION, results[task.name]
        if result.count + result.error <= limit:
            continue
        try:
            await provider_of(task.metric, context).collect(limit)
        except ProviderError as error:
            faults.append(resolved.redact(str(error)))
    return tuple(faults)


async def _take(task: Task, resolved: ResolvedMetrics, context: Context) -> Taken:
    resumed = task.measurement is not None
    begun = task.measurement or Measurement(phase=AnalysisPhase.RUNNING, started_at=context.now())
    try:
        provider = _provider(task, resolved, context)
    except ProviderError as error:
        return Taken(task.name, _failed(begun, str(error), context), resumed)
    deadline = provider.timeout() + DEADLINE_SLACK
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            measurement = await _asked(provider, task)
    except TimeoutError:
        measurement = _failed(begun, f"no measurement within {deadline / timedelta(seconds=1):g}s", context)
    except ProviderError as error:
        measurement = _failed(begun, str(error), context)
    except Exception as error:  # a fault of ours must not stop the run's other metrics, and must be seen
        measurement = _failed(begun, f"unexpected {type(error).__name__}: {error}", context)
    return Taken(task.name, measurement, resumed, provider.metadata())


def _provider(task: Task, resolved: ResolvedMetrics, context: Context) -> Provider:
    """Where the measurement comes from: the metric's provider, weighed where the metric asks for evidence."""
    provider = provider_of(task.metric, context)
    evidence, counting = resolved.evidence.get(task.name), resolved.counting.get(task.name)
    if evidence is None:
        return provider
    return weighed(provider, evidence, provider_of(counting, context) if counting else None)


async def _asked(provider: Provider, task: Task) -> Measurement:
    if task.kind is TaskKind.START or task.measurement is None:
        return await provider.run()
    if task.kind is TaskKind.RESUME:
        return await provider.resume(task.measurement)
    measurement = await provider.terminate(task.measurement)
    if measurement.phase in _STOPPED:
        measurement = measurement.model_copy(update={"message": METRIC_TERMINATED})
    return measurement


def _failed(begun: Measurement, message: str, context: Context) -> Measurement:
    update = {"phase": AnalysisPhase.ERROR, "message": message, "finished_at": context.now()}
    return begun.model_copy(update=update)


def _without_secrets(taken: Taken, resolved: ResolvedMetrics) -> Taken:
    if not resolved.secrets:
        return taken
    measurement = taken.measurement
    update = {
        "message": resolved.redact(measurement.message),
        "value": resolved.redact(measurement.value),
        "metadata": {key: resolved.redact(value) for key, value in measurement.metadata.items()},
    }
    metadata = {key: resolved.redact(value) for key, value in taken.metadata.items()}
    return replace(taken, measurement=measurement.model_copy(update=update), metadata=metadata)
