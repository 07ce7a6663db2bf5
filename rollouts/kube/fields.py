"""Pure. Reading raw objects of which any field may be missing or null."""

from rollouts.api.labels import REVISION
from rollouts.kube.refs import Obj


def part(obj: Obj, *path: str) -> Obj:
    """The mapping at a path, {} where there is none."""
    for key in path:
        value = obj.get(key)
        if not isinstance(value, dict):
            return {}
        obj = value
    return obj


def parts(obj: Obj, *path: str) -> list[Obj]:
    """The list of mappings at a path, [] where there is none."""
    value = part(obj, *path[:-1]).get(path[-1])
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(obj: Obj, *path: str) -> str:
    """The string at a path, "" where there is none."""
    value = part(obj, *path[:-1]).get(path[-1])
    return value if isinstance(value, str) else ""


def number(obj: Obj, *path: str, default: int = 0) -> int:
    """The integer at a path, `default` where there is none."""
    value = part(obj, *path[:-1]).get(path[-1])
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def revision_of(obj: Obj) -> int:
    """The revision that a Rollout's ReplicaSet, AnalysisRun or Experiment belongs to; 0 where it says none."""
    written = text(obj, "metadata", "annotations", REVISION)
    return int(written) if written.isdecimal() else 0
