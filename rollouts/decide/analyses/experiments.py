"""Pure. Which Experiments to start, keep and stop, what their verdicts mean, and the traffic that they get."""

from collections.abc import Iterable, Iterator

from analysis.schema import Obj
from rollouts.api import defaults, labels
from rollouts.api.experiment import RolloutExperimentStep
from rollouts.api.status import RolloutStatus
from rollouts.decide import wording
from rollouts.decide.analyses.experimentspec import same_experiment, spec_of_experiment
from rollouts.decide.context import Context
from rollouts.decide.facts import Aborting, CurrentExperiment, Pausing, Said
from rollouts.decide.plan import DeleteExperiment, Destination, StartExperiment, StopExperiment, Wait
from rollouts.decide.world import Experiment

Told = StartExperiment | StopExperiment | DeleteExperiment | CurrentExperiment | Pausing | Aborting | Wait


def follow(ctx: Context) -> Iterator[Told]:
    """The Experiment of the current step, then whatever else still runs or lies about."""
    step = _step(ctx)
    current = ""
    if step is not None:
        for item in _keep(ctx, step):
            current = item.name if isinstance(item, CurrentExperiment) else current
            yield item
    elif ctx.status.canary.current_experiment:
        yield CurrentExperiment("")
    yield from _stop_others(ctx, current)
    yield from _collect(ctx, current)


def _step(ctx: Context) -> RolloutExperimentStep | None:
    """What the current step says of an Experiment, while there is something to try."""
    if ctx.initial or ctx.returns_to_stable or ctx.rolls_back_fast or ctx.status.promote_full or ctx.changed:
        return None
    return ctx.step.experiment if ctx.step is not None else None


def _keep(ctx: Context, step: RolloutExperimentStep) -> Iterator[Told]:
    """Start the Experiment, or take over what it has come to."""
    experiment = _current(ctx)
    resumed = ctx.status.controller_pause and not ctx.status.pause_conditions
    if experiment is None or (experiment.phase == "Inconclusive" and resumed):
        if ctx.status.pause_conditions:
            yield Wait("the experiment begins when the pause is over")
            return
        yield from _start(ctx, step, experiment)
        return
    yield CurrentExperiment(experiment.name)
    match experiment.phase:
        case "Failed" | "Error":
            yield Aborting(wording.experiment_failed(experiment.message))
        case "Inconclusive" if not ctx.pause_open(wording.INCONCLUSIVE_EXPERIMENT):
            yield Pausing(wording.INCONCLUSIVE_EXPERIMENT)
        case "Inconclusive":
            yield Wait(f"Experiment {experiment.name} could not tell; a promotion or a resume runs another one")
        case "Successful":
            pass
        case _:
            yield Wait(f"Experiment {experiment.name} is running")


def _base(ctx: Context) -> str:
    return f"{ctx.name}-{ctx.hash}-{ctx.revision}-{ctx.index}"


def _current(ctx: Context) -> Experiment | None:
    """The Experiment that the status names, unless it belongs to another step or is gone."""
    name, base = ctx.status.canary.current_experiment, _base(ctx)
    if name != base and not name.startswith(f"{base}-"):
        return None
    found = (one for one in ctx.world.experiments if one.owned and one.name == name and not one.deleting)
    return next(found, None)


def _start(ctx: Context, step: RolloutExperimentStep, previous: Experiment | None) -> Iterator[Told]:
    if ctx.new is None or ctx.stable is None:
        return
    spec = spec_of_experiment(ctx, step, ctx.new, ctx.stable)
    name, free = _free_name(ctx, spec, previous)
    if free:
        yield StartExperiment(name, _manifest(ctx, name, spec))
    yield CurrentExperiment(name)
    yield Wait(f"Experiment {name} is starting")


def _free_name(ctx: Context, spec: Obj, previous: Experiment | None) -> tuple[str, bool]:
    """The first of `base`, `base-1`, `base-2`… that is free (True), or whose Experiment is ours, unfinished and tries
    the same (False)."""
    taken = {one.name: one for one in ctx.world.experiments}
    base = _base(ctx)
    name, count = base, 0
    while name in taken:
        one = taken[name]
        alive = one.owned and one is not previous and not (one.finished or one.deleting or one.terminate)
        if alive and same_experiment(one.spec, spec):
            return name, False
        count += 1
        name = f"{base}-{count}"
    return name, True


def _manifest(ctx: Context, name: str, spec: Obj) -> Obj:
    instance = {labels.INSTANCE_ID: ctx.world.instance_id} if ctx.world.instance_id else {}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Experiment",
        "metadata": {
            "name": name,
            "labels": {**ctx.rollout.metadata.labels, labels.POD_TEMPLATE_HASH: ctx.hash, **instance},
            "annotations": {labels.REVISION: str(ctx.revision)},
        },
        "spec": spec,
    }


# ── Experiments that are not current ──


def _stop_others(ctx: Context, current: str) -> Iterator[StopExperiment]:
    for one in ctx.world.experiments:
        if one.owned and one.name != current and not (one.finished or one.terminate or one.deleting):
            yield StopExperiment(one.name)


def _collect(ctx: Context, current: str) -> Iterator[DeleteExperiment]:
    """Delete Experiments of ReplicaSets that are gone, and finished ones beyond the history limits.

    Not before their pods are gone: those would go with them at once, whatever delay they have.
    """
    hashes = {rs.hash for rs in ctx.world.replica_sets if not rs.deleting} | {ctx.hash}
    old = [one for one in ctx.world.experiments if one.owned and one.name != current and not one.deleting]
    idle = [one for one in old if one.finished and one.pods == 0]
    good, bad = defaults.run_history_limits(ctx.rollout)
    kept = [one for one in idle if one.hash in hashes]
    surplus = [
        *(one for one in idle if one.hash not in hashes),
        *_beyond(good, (one for one in kept if one.phase == "Successful")),
        *_beyond(bad, (one for one in kept if one.phase != "Successful")),
    ]
    yield from (DeleteExperiment(one.name) for one in surplus)


def _beyond(limit: int, experiments: Iterable[Experiment]) -> list[Experiment]:
    newest_first = sorted(experiments, key=lambda one: (one.created, one.name), reverse=True)
    return newest_first[max(0, limit) :]


# ── what others rest on ──


def destinations(ctx: Context) -> tuple[Destination, ...]:
    """The shares that the current Experiment gets: only while all its pods are there, and it is not ending."""
    step, experiment = _step(ctx), _current(ctx)
    if step is None or experiment is None or experiment.phase != "Running" or experiment.terminate:
        return ()
    found = {version.name: version for version in experiment.versions if version.running and version.service}
    return tuple(
        Destination(found[template.name].service, found[template.name].hash, template.weight)
        for template in step.templates
        if template.weight is not None and template.name in found
    )


def recorded(status: RolloutStatus, said: Iterable[Said]) -> RolloutStatus:
    """The status with the Experiment that is current now."""
    for item in said:
        if isinstance(item, CurrentExperiment) and item.name != status.canary.current_experiment:
            canary = status.canary.model_copy(update={"current_experiment": item.name})
            status = status.model_copy(update={"canary": canary})
    return status


def succeeded(ctx: Context, status: RolloutStatus) -> bool:
    """The Experiment that `status` names has ended well."""
    name = status.canary.current_experiment
    return any(one.owned and one.name == name and one.phase == "Successful" for one in ctx.world.experiments)
