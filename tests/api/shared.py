"""Manifests that stand beside the repository, where they are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

SHARED = Path(__file__).parents[3] / "shared"
GROUP = "argoproj.io/v1alpha1"

needs_shared = pytest.mark.skipif(
    not (SHARED / "manifests").is_dir(), reason="the users' manifests are not beside this repository (../shared)"
)


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    folders = (SHARED / "manifests", SHARED / "upstream" / "argo-rollouts-examples")
    for path in sorted(path for folder in folders for path in folder.rglob("*.yaml")):
        for text in re.split(r"^---\s*$", path.read_text(), flags=re.MULTILINE):
            # One example writes {{args.x}} without quotes, which is YAML's syntax for a mapping as a key.
            document = yaml.safe_load(re.sub(r": (\{\{[^}]*\}\})$", r': "\1"', text, flags=re.MULTILINE))
            if document and document.get("apiVersion") == GROUP:
                yield f"{path.relative_to(SHARED)}:{document['metadata'].get('name', '')}", document


DOCUMENTS = dict(_documents()) if SHARED.is_dir() else {}


def of_kind(*kinds: str) -> list[Any]:
    """Test parameters: the documents of these kinds, named by file."""
    chosen = {name: document for name, document in DOCUMENTS.items() if not kinds or document["kind"] in kinds}
    return [pytest.param(document, id=name) for name, document in chosen.items()]
