"""Files become tests, and tests become outcomes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from analysis.api import AnalysisRun, AnalysisTemplate, AnalysisTemplateRef, Argument
from analysis.asked import of_run
from analysis.asked.lack import AskedError
from analysis.templates import TemplateError, resolve_templates, run_spec
from rollouts.analysistest.answers import CannotAnswer
from rollouts.analysistest.fixture import KIND, AnalysisTest, Case, Expected
from rollouts.analysistest.play import WithoutEnd, play
from rollouts.lint.fileset import FileSet
from rollouts.lint.manifests import Document, read
from rollouts.lint.objectives import FiledObjectives


@dataclass(frozen=True)
class Outcome:
    """How one test went: `faults` is empty when all is as expected. `took` is virtual time."""

    path: str
    line: int
    suite: str
    name: str
    faults: tuple[str, ...] = ()
    took: timedelta = timedelta(0)


def run_tests(paths: Iterable[str]) -> tuple[Outcome, ...]:
    """Every test under `paths`, with what became of it. Unreadable for a path that is none."""
    documents, bad = read(paths)
    files = FileSet(documents, bad)
    broken = tuple(Outcome(one.path, one.line, "files", "yaml", (one.text,)) for one in bad)
    broken += tuple(
        Outcome(one.document.path, one.document.line(), "files", one.document.kind, (str(one),))
        for one in files.malformed
        if one.document.kind.endswith("AnalysisTemplate")  # what else lies there is not tried here
    )
    return broken + tuple(outcome for document in documents if _is_test(document) for outcome in _of(files, document))


def _is_test(document: Document) -> bool:
    return document.kind == KIND


def _of(files: FileSet, document: Document) -> Iterator[Outcome]:
    try:
        test = AnalysisTest.model_validate(document.obj)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            at = fault["loc"]
            text = f"{'.'.join(map(str, at))}: {fault['msg']}"
            yield Outcome(document.path, document.line(*at), document.name or KIND, "format", (text,))
        return
    for index, case in enumerate(test.tests):
        faults, took = _played(files, document, test, case)
        yield Outcome(document.path, document.line("tests", index), test.name, case.name, tuple(faults), took)


def _played(files: FileSet, document: Document, test: AnalysisTest, case: Case) -> tuple[Sequence[str], timedelta]:
    try:
        templates = _templates(files, document, test.templates)
        args = [Argument(name=name, value=value) for name, value in (test.args | case.args).items()]
        metadata = {"name": "test", "namespace": "default", "uid": "test", "annotations": of_run(templates)}
        objectives = FiledObjectives(files, document)
        run, took = play(AnalysisRun(metadata=metadata, spec=run_spec(templates, args)), case, test.secrets, objectives)
    except (TemplateError, AskedError, CannotAnswer, WithoutEnd) as error:
        return (str(error),), timedelta(0)
    return tuple(differences(run, took, case.expect)), took


def _templates(files: FileSet, document: Document, names: Iterable[str]) -> tuple[AnalysisTemplate, ...]:
    def lookup(reference: AnalysisTemplateRef) -> AnalysisTemplate | None:
        found = files.template(reference, document)
        return found.value if found else None

    references = []
    for name in names:
        wide = AnalysisTemplateRef(template_name=name, cluster_scope=True)
        local = AnalysisTemplateRef(template_name=name)
        references.append(wide if lookup(local) is None and lookup(wide) is not None else local)
    return resolve_templates(references, lookup)


def differences(run: AnalysisRun, took: timedelta, expected: Expected) -> Iterator[str]:
    """Where the run's end is not as expected, one text each."""
    status = run.status
    why = f" ({status.message})" if status.message else ""
    if status.phase != expected.phase:
        yield f"phase is {status.phase}{why}, expected {expected.phase}"
    if expected.message is not None and status.message != expected.message:
        yield f"message is {status.message!r}, expected {expected.message!r}"
    if expected.after is not None and abs(took - expected.after) > timedelta(milliseconds=500):
        yield f"it ended after {took.total_seconds():g} s, expected {expected.after.total_seconds():g} s"
    results = {result.name: result for result in status.metric_results}
    for name, wanted in expected.metrics.items():
        result = results.get(name)
        if result is None:
            yield f"metric '{name}' was not measured"
            continue
        for field in sorted(wanted.model_fields_set):
            got, want = getattr(result, field), getattr(wanted, field)
            if got != want:
                yield f"metric '{name}': {field} is {got}, expected {want}"
