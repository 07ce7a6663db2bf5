"""Pure. Rules about a manifest as such: does it read, does it say only what is known."""

from collections.abc import Iterator

from analysis.schema import Model
from rollouts.api.rollout import Rollout
from rollouts.api.rules.validate import validate_rollout
from rollouts.api.support import unsupported
from rollouts.lint.fileset import FileSet
from rollouts.lint.manifests import Document, Steps, steps_of
from rollouts.lint.registry import Fault, Severity, rule


@rule("malformed", Severity.ERROR, "A field is missing that must be there, or holds a value of the wrong kind.")
def malformed(files: FileSet) -> Iterator[Fault]:
    for one in files.malformed:
        for error in one.error.errors(include_url=False):
            at = tuple(part for part in error["loc"])
            yield Fault(one.document, at, f"{'.'.join(map(str, at))}: {error['msg']}")


@rule("rollout-spec", Severity.ERROR, "The controller refuses the Rollout with this message (`InvalidSpec`).")
def rollout_spec(files: FileSet) -> Iterator[Fault]:
    for one in files.of(Rollout):
        fault = validate_rollout(one.value)
        if fault:
            yield Fault(one.document, _place(one.document, fault), fault)


@rule("unsupported", Severity.ERROR, "The Rollout has a field that this controller does not know or does not act on.")
def not_supported(files: FileSet) -> Iterator[Fault]:
    for one in files.of(Rollout):
        fault = unsupported(one.value)
        if fault:
            yield Fault(one.document, _place(one.document, fault), fault)


@rule(
    "unknown-field",
    Severity.ERROR,
    "A template, AnalysisRun or Experiment has a field that nobody reads, as by a slip in its name.",
)
def unknown_field(files: FileSet) -> Iterator[Fault]:
    for one in files.everything:
        if isinstance(one.value, Rollout):
            continue  # `unsupported` tells
        spec = getattr(one.value, "spec", None)
        for at in _unknown(spec, ("spec",)):
            yield Fault(one.document, at, f"unknown field '{at[-1]}'")


def _unknown(value: object, at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The ways to fields that no model knows."""
    if isinstance(value, Model):
        yield from ((*at, name) for name in value.unknown)
        for name, field in type(value).model_fields.items():
            yield from _unknown(getattr(value, name), (*at, field.alias or name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _unknown(item, (*at, index))


def _place(document: Document, fault: str) -> Steps:
    """Where a fault is; its path may leave out the name of the strategy."""
    steps = steps_of(fault.partition(": ")[0])
    if steps[:2] == ("spec", "strategy") and len(steps) > 2 and steps[2] not in ("canary", "blueGreen"):
        strategy = document.obj["spec"].get("strategy") or {}
        steps = (*steps[:2], *(name for name in ("canary", "blueGreen") if name in strategy), *steps[2:])
    return steps
