"""Create what manifests describe, refusing fields that no one would read."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from analysis.api import AnalysisRun, AnalysisTemplate, ClusterAnalysisTemplate
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import Rollout
from rollouts.cli.flags import spoken
from rollouts.cli.session import CommandFailed, Session
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    EXPERIMENT,
    ROLLOUT,
    Obj,
    Resource,
    name_of,
)

_KINDS: dict[str, tuple[Resource, type[BaseModel]]] = {
    "Rollout": (ROLLOUT, Rollout),
    "Experiment": (EXPERIMENT, Experiment),
    "AnalysisTemplate": (ANALYSIS_TEMPLATE, AnalysisTemplate),
    "ClusterAnalysisTemplate": (CLUSTER_ANALYSIS_TEMPLATE, ClusterAnalysisTemplate),
    "AnalysisRun": (ANALYSIS_RUN, AnalysisRun),
}


async def create(session: Session, args: argparse.Namespace) -> None:
    """Reads all files before it creates the first object, so that a mistake in one creates nothing."""
    if not args.files:
        raise CommandFailed("say what to create: -f FILE, or analysisrun")
    for resource, manifest in await manifests_of(args.files):
        namespace = manifest["metadata"].get("namespace") or session.namespace
        made = await session.wire.create(resource, namespace if resource.namespaced else "", manifest)
        session.say(f"{resource.kind.lower()}.{resource.group}/{name_of(made)} created")


async def manifests_of(files: Sequence[str]) -> list[tuple[Resource, Obj]]:
    """What the files hold, each with its kind. CommandFailed for what is none of ours, or has a field nobody reads."""
    read = [await asyncio.to_thread(_read, file) for file in files]
    return [_checked(file, each) for file, text in zip(files, read, strict=True) for each in _parse(file, text)]


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(spoken(error) if isinstance(error, OSError) else f"{file}: {error}") from error


def _parse(file: str, text: str) -> list[Any]:
    try:
        return [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise CommandFailed(f"{file}: not YAML: {error}") from error


def _checked(file: str, manifest: Any) -> tuple[Resource, Obj]:
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    if kind not in _KINDS or manifest.get("apiVersion") != ROLLOUT.api_version:
        raise CommandFailed(
            f"{file}: expected {ROLLOUT.api_version} and one of {', '.join(_KINDS)}, found kind {kind!r}"
        )
    if not isinstance(manifest.get("metadata"), dict):
        raise CommandFailed(f"{file}: {kind} without metadata")
    resource, model = _KINDS[kind]
    try:
        parsed = model.model_validate(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        raise CommandFailed(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    for field in _unknown(parsed):
        raise CommandFailed(f'{file}: unknown field "{field}"')
    return resource, manifest


def _unknown(value: object, path: str = "") -> Iterator[str]:
    """Paths of the fields in the manifest that its model does not know."""
    if isinstance(value, BaseModel):
        for name in value.model_extra or ():
            yield f"{path}{name}"
        for name, info in type(value).model_fields.items():
            yield from _unknown(getattr(value, name), f"{path}{info.alias or name}.")
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _unknown(each, f"{path.removesuffix('.')}[{index}].")
