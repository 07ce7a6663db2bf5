"""An AnalysisRun of a template of the cluster or of a file, for people who want to measure now."""

import argparse
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from analysis import asked
from analysis.api import AnalysisRunSpec, AnalysisTemplate, AnalysisTemplateRef, Argument
from analysis.templates import TemplateError, declared_args, resolve_templates, run_spec
from rollouts.api import labels
from rollouts.cli.create import manifests_of
from rollouts.cli.session import CommandFailed, Session
from rollouts.kube.errors import NotFound
from rollouts.kube.refs import ANALYSIS_RUN, ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE, Obj, name_of

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


async def create_run(session: Session, args: argparse.Namespace) -> None:
    """One run, which keeps the labels and annotations of its template."""
    given = _given(args.arguments)
    if bool(args.source) == bool(args.file):
        raise CommandFailed("one of --from or --from-file must be specified")
    template = await _template(session, args)
    try:
        templates = await _with_included(session, AnalysisTemplate.model_validate(template))
        spec = _spec(session, templates, given)
    except ValidationError as error:
        raise CommandFailed(f"the template cannot be read: {error.errors()[0]['msg']}") from error
    except TemplateError as error:
        raise CommandFailed(str(error)) from error
    manifest = {
        "apiVersion": ANALYSIS_RUN.api_version,
        "kind": ANALYSIS_RUN.kind,
        "metadata": _metadata(args, template, asked.of_run(templates)),
        "spec": spec.wire(),
    }
    made = await session.wire.create(ANALYSIS_RUN, session.namespace, manifest)
    session.say(f"analysisrun.{ANALYSIS_RUN.group}/{name_of(made)} created")


def _given(words: Sequence[str]) -> tuple[Argument, ...]:
    pairs = [word.partition("=") for word in words]
    if not all(equals for _, equals, _ in pairs):
        raise CommandFailed("arguments must be in the form NAME=VALUE")
    return tuple(Argument(name=name, value=value) for name, _, value in pairs)


async def _template(session: Session, args: argparse.Namespace) -> Obj:
    if args.file:
        found = await manifests_of([args.file])
        if len(found) != 1 or found[0][0] not in (ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE):
            raise CommandFailed(f"{args.file}: expected one AnalysisTemplate or ClusterAnalysisTemplate")
        return found[0][1]
    if vars(args)["global"]:
        return await session.wire.get(CLUSTER_ANALYSIS_TEMPLATE, "", args.source)
    return await session.wire.get(ANALYSIS_TEMPLATE, session.namespace, args.source)


async def _with_included(session: Session, template: AnalysisTemplate) -> tuple[AnalysisTemplate, ...]:
    """The template and all that it includes. Raises TemplateError."""
    known: dict[tuple[bool, str], AnalysisTemplate | None] = {}
    wanted = list(template.spec.templates)
    while wanted:
        ref = wanted.pop()
        if _key(ref) not in known:
            known[_key(ref)] = found = await _included(session, ref)
            wanted += found.spec.templates if found else ()
    return (template, *resolve_templates(template.spec.templates, lambda ref: known.get(_key(ref))))


def _key(ref: AnalysisTemplateRef) -> tuple[bool, str]:
    return ref.cluster_scope, ref.template_name


async def _included(session: Session, ref: AnalysisTemplateRef) -> AnalysisTemplate | None:
    resource, namespace = (
        (CLUSTER_ANALYSIS_TEMPLATE, "") if ref.cluster_scope else (ANALYSIS_TEMPLATE, session.namespace)
    )
    try:
        return AnalysisTemplate.model_validate(await session.wire.get(resource, namespace, ref.template_name))
    except NotFound:
        return None


def _spec(session: Session, templates: Sequence[AnalysisTemplate], given: Iterable[Argument]) -> AnalysisRunSpec:
    declared = {arg.name for arg in declared_args(templates)}
    spec = run_spec(templates, tuple(given))
    if not declared:
        return spec.model_copy(update={"args": tuple(given)})
    for arg in given:
        if arg.name not in declared:
            session.warn(f"argument {arg.name} is left out: the template declares {', '.join(sorted(declared))}")
    return spec


def _metadata(args: argparse.Namespace, template: Obj, asked_for: dict[str, str]) -> Obj:
    before = template["metadata"]
    kept = {key: value for key, value in (before.get("annotations") or {}).items() if key != _LAST_APPLIED}
    instance = {labels.INSTANCE_ID: args.instance_id} if args.instance_id else {}
    generate = args.generate_name or f"{before.get('name', '')}-"
    if not args.name and generate == "-":
        raise CommandFailed("name is invalid")
    named = {"name": args.name} if args.name else {"generateName": generate}
    return {**named, "labels": {**(before.get("labels") or {}), **instance}, "annotations": {**kept, **asked_for}}
