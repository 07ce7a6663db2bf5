"""The kubeconfig by which kubectl finds the sandbox."""

import os
from pathlib import Path

import yaml

from rollouts.kube.refs import Obj

CONTEXT = "sandbox"


def kubeconfig(server: str, *, namespace: str = "default") -> Obj:
    """A kubeconfig with one cluster at the URL `server`, reached without credentials."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": {"server": server}}],
        "users": [{"name": CONTEXT, "user": {}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": namespace}}],
        "current-context": CONTEXT,
    }


def write(path: Path, config: Obj) -> Path:
    """Write a kubeconfig that only its owner may read; folders are made as needed. Another one there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        yaml.safe_dump(config, file, sort_keys=False)
    draft.replace(path)
    return path


def remove(path: Path, config: Obj) -> None:
    """Remove a kubeconfig again, unless another one has taken its place."""
    if path.exists() and yaml.safe_load(path.read_text(encoding="utf-8")) == config:
        path.unlink()
