"""Pure. Which AnalysisRuns to start, keep and stop, and what their verdicts mean for the rollout."""

from collections.abc import Iterable, Iterator

from analysis.schema import Obj
from rollouts.api import defaults, labels
from rollouts.api.status import RolloutAnalysisRunStatus
from rollouts.decide import wording
from rollouts.decide.analyses import slots
from rollouts.decide.analyses.analysisspec import annotations_of_run, spec_of_run
from rollouts.decide.analyses.uses import Use, uses
from rollouts.decide.context import Context
from rollouts.decide.facts import Aborting, CurrentRun, Pausing, Slot
from rollouts.decide.plan import DeleteRun, StartRun, StopRun, Wait
from rollouts.decide.world import Hash, Run

Told = StartRun | StopRun | DeleteRun | CurrentRun | Pausing | Aborting | Wait


def follow(ctx: Context) -> Iterator[Told]:
    """Each analysis that the strategy asks for now, then whatever else still runs or lies about."""
    current: set[str] = set()
    remembered: set[str] = set()
    for slot, use in uses(ctx).items():
        told = tuple(_keep(ctx, use) if use is not None else _left(ctx, slot))
        names = {item.entry.name for item in told if isinstance(item, CurrentRun) and item.entry}
        remembered |= names
        current |= names if use is not None else set()
        yield from told
    yield from _stop_others(ctx, current)
    yield from _collect(ctx, remembered)


def _left(ctx: Context, slot: Slot) -> Iterator[CurrentRun]:
    """What remains of an analysis that is not asked for now: nothing, but with blue-green how it ended."""
    entry = slots.entry(ctx.status, slot)
    if entry is None:
        return
    run = next((run for run in ctx.world.runs if run.owned and run.name == entry.name), None)
    if ctx.blue_green is None:
        yield CurrentRun(slot, None)
    elif run is None:
        yield CurrentRun(slot, entry)
    else:
        yield CurrentRun(slot, RolloutAnalysisRunStatus(name=run.name, status=run.phase, message=run.message))


def _keep(ctx: Context, use: Use) -> Iterator[Told]:
    """Start the run, or take over what it has come to."""
    run = _current(ctx, use)
    if run is None or _judged_anew(ctx, use, run):
        if ctx.status.pause_conditions and use.slot == "Step":
            yield Wait("analysis begins when the pause is over")
            return
        yield from _start(ctx, use, run)
        return
    yield CurrentRun(use.slot, RolloutAnalysisRunStatus(name=run.name, status=run.phase, message=run.message))
    match run.phase:
        case "Failed" | "Error":
            yield Aborting(wording.analysis_failed(use.slot, run.message))
        case "Inconclusive" if not ctx.pause_open(wording.INCONCLUSIVE_ANALYSIS):
            yield Pausing(wording.INCONCLUSIVE_ANALYSIS)
        case "Inconclusive":
            resumed = "goes past it" if use.slot == "Step" else "lets another one measure"
            yield Wait(f"AnalysisRun {run.name} could not tell: a promotion {resumed}")
        case "Successful":
            pass
        case _:
            yield Wait(f"AnalysisRun {run.name} is measuring")


def _current(ctx: Context, use: Use) -> Run | None:
    """The run that the status names, unless it belongs to another step or is gone."""
    if use.entry is None:
        return None
    found = (run for run in ctx.world.runs if run.owned and run.name == use.entry.name and not run.deleting)
    run = next(found, None)
    return None if run is None or run.step != use.step else run


def _judged_anew(ctx: Context, use: Use, run: Run) -> bool:
    """Somebody resumed after an inconclusive verdict, or retries after an abort."""
    resumed = ctx.status.controller_pause and not ctx.status.pause_conditions and run.phase == "Inconclusive"
    return resumed or (ctx.status.aborted_at is not None and run.finished)


def _start(ctx: Context, use: Use, previous: Run | None) -> Iterator[Told]:
    if ctx.new is None:
        return
    spec = spec_of_run(ctx.world, use.analysis, stable=Hash(ctx.stored.stable_rs), latest=ctx.hash)
    base = f"{ctx.name}-{ctx.hash}-{ctx.revision}{use.suffix}"
    name, reusable = _free_name(ctx, base, spec, previous)
    if reusable is None:
        yield StartRun(name, _manifest(ctx, use, name, spec))
    phase = reusable.phase if reusable else ""
    yield CurrentRun(use.slot, RolloutAnalysisRunStatus(name=name, status=phase))
    yield Wait(f"AnalysisRun {name} is starting")


def _free_name(ctx: Context, base: str, spec: Obj, previous: Run | None) -> tuple[str, Run | None]:
    """The first of `base`, `base.1`, `base.2`… that is free, or whose run is ours, unfinished and measures the same."""
    taken = {run.name: run for run in ctx.world.runs}
    name, count = base, 0
    while name in taken:
        run = taken[name]
        same = {**run.spec, "terminate": None} == {**spec, "terminate": None}
        if run.owned and not run.finished and not run.deleting and not run.terminate and same and run is not previous:
            return name, run
        count += 1
        name = f"{base}.{count}"
    return name, None


def _manifest(ctx: Context, use: Use, name: str, spec: Obj) -> Obj:
    extra = use.analysis.analysis_run_metadata
    instance = {labels.INSTANCE_ID: ctx.world.instance_id} if ctx.world.instance_id else {}
    step = {} if use.step is None else {labels.STEP_INDEX: str(use.step)}
    selector = ctx.spec.selector.match_labels if ctx.spec.selector else {}
    own = {labels.POD_TEMPLATE_HASH: ctx.hash, labels.ROLLOUT_TYPE: use.slot, **step, **instance}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {
            "name": name,
            "labels": {**own, **extra.labels, **selector},
            "annotations": {
                labels.REVISION: str(ctx.revision),
                **extra.annotations,
                **annotations_of_run(ctx.world, use.analysis),
            },
        },
        "spec": spec,
    }


# ── runs that are not current ──


def _stop_others(ctx: Context, current: set[str]) -> Iterator[StopRun]:
    for run in ctx.world.runs:
        if run.owned and run.name not in current and not (run.finished or run.terminate or run.deleting):
            yield StopRun(run.name)


def _collect(ctx: Context, current: set[str]) -> Iterator[DeleteRun]:
    """Delete runs of ReplicaSets that are gone, and finished ones beyond the history limits."""
    hashes = {rs.hash for rs in ctx.world.replica_sets if not rs.deleting} | {ctx.hash}
    old = [run for run in ctx.world.runs if run.owned and run.name not in current and not run.deleting]
    homeless = [run for run in old if run.hash not in hashes]
    good, bad = defaults.run_history_limits(ctx.rollout)
    kept = [run for run in old if run.hash in hashes and run.finished]
    surplus = [
        *_beyond(good, (run for run in kept if run.phase == "Successful")),
        *_beyond(bad, (run for run in kept if run.phase != "Successful")),
    ]
    yield from (DeleteRun(run.name) for run in (*homeless, *surplus))


def _beyond(limit: int, runs: Iterable[Run]) -> list[Run]:
    newest_first = sorted(runs, key=lambda run: (run.created, run.name), reverse=True)
    return newest_first[max(0, limit) :]
