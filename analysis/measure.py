"""Takes the measurements that are due: all at once, each with a deadline, and no secret in what comes back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from analysis.api import AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement
from analysis.arguments import ResolvedMetrics, SecretKey, resolve_metrics, secret_keys
from analysis.asked import read
from analysis.asked.burn import BurnRate
from analysis.asked.lack import Asked, AskedError
from analysis.asked.pyrra import objective_of
from analysis.decide import Taken, Task, TaskKind, retention
from analysis.limits import DEFAULT_RETENTION
from analysis.providers.asking import asking, kept
from analysis.providers.base import (
    DEADLINE_SLACK,
    Context,
    ObjectiveError,
    Objectives,
    Provider,
    ProviderError,
    SecretError,
    Secrets,
)
from analysis.providers.registry import leaves_behind, provider_of

METRIC_TERMINATED = "Metric Terminated"
_STOPPED = frozenset({AnalysisPhase.SUCCESSFUL, AnalysisPhase.INCONCLUSIVE})


async def resolve(run: AnalysisRun, secrets: Secrets, objectives: Objectives | None = None) -> ResolvedMetrics:
    """The run's metrics with their arguments filled in; Secrets and objectives are read from the run's own namespace.

    An exception that is neither SecretError nor ObjectiveError passes through: look again later.
    """
    try:
        asked = read(run.metadata.get("annotations") or {}, run.spec.metrics)
    except AskedError as error:
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
    resolved = resolve_metrics(run.spec.metrics, run.spec.args, found, asked)
    try:
        promised = {name: await _promised(run, one, objectives) for name, one in resolved.asked.items()}
    except (AskedError, ObjectiveError) as error:
        return ResolvedMetrics(error=resolved.redact(f"Unable to judge by an objective: {error}"))
    return replace(resolved, asked=promised)


def rests_on_spec(run: AnalysisRun, resolved: ResolvedMetrics) -> bool:
    """Whether the run's metrics stay as they are until its spec changes: they come from no Secret and no objective."""
    return (
        not secret_keys(run.spec.args)
        and not any(isinstance(asked, BurnRate) and asked.slo for asked in resolved.asked.values())
        and not resolved.error
    )


async def _promised(run: AnalysisRun, asked: Asked, objectives: Objectives | None) -> Asked:
    """What is asked, with the objective that it names."""
    if not isinstance(asked, BurnRate) or not asked.slo:
        return asked
    if objectives is None:
        raise ObjectiveError(f"there is no cluster to read the ServiceLevelObjective '{asked.slo}' from")
    return objective_of(asked, await objectives.get(run.namespace, asked.slo))


def _unresolved(reason: str) -> ResolvedMetrics:
    return ResolvedMetrics(error=f"Unable to resolve metric arguments: {reason}")


async def measure(tasks: Sequence[Task], resolved: ResolvedMetrics, context: Context) -> tuple[Taken, ...]:
    """What came of every task, in their order. Never raises for a provider: that is an Error measurement."""
    if len(tasks) == 1:  # as of most runs
        return (_without_secrets(await _take(tasks[0], resolved, context), resolved),)
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
        if result.count + result.error <= limit or not leaves_behind(task.metric):
            continue
        try:
            await provider_of(task.metric, context).collect(limit)
        except ProviderError as error:
            faults.append(resolved.redact(str(error)))
    return tuple(faults)


async def _take(task: Task, resolved: ResolvedMetrics, context: Context) -> Taken:
    resumed = task.measurement is not None
    asked = resolved.asked.get(task.name)
    fresh = Measurement(phase=AnalysisPhase.RUNNING, started_at=context.now(), metadata=kept(asked, context, task.name))
    begun = task.measurement or fresh
    try:
        provider = asking(task.metric, task.name, asked, context) if asked else provider_of(task.metric, context)
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
