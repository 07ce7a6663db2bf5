"""The manifests of deploy/, as files and as kustomize renders them."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.sandbox.kubectl import PROGRAM

Obj = dict[str, Any]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def objects(path: Path) -> list[Obj]:
    """The objects of one file."""
    return [obj for obj in yaml.safe_load_all(path.read_text()) if obj]


@cache
def kustomized(folder: str) -> tuple[Obj, ...]:
    """What `kubectl kustomize` makes of a folder of deploy/."""
    assert PROGRAM is not None
    answer = subprocess.run([PROGRAM, "kustomize", str(DEPLOY / folder)], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return tuple(obj for obj in yaml.safe_load_all(answer.stdout) if obj)


def names(found: tuple[Obj, ...]) -> set[tuple[str, str]]:
    return {(obj["kind"], obj["metadata"]["name"]) for obj in found}


def one(found: tuple[Obj, ...], kind: str, name: str = "argo-rollouts") -> Obj:
    (obj,) = (obj for obj in found if (obj["kind"], obj["metadata"]["name"]) == (kind, name))
    return obj
