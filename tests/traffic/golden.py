"""Golden files: for each router what its users made, and what becomes of it split by split.

`python -m tests.traffic.golden` writes them anew; what changed is then to be judged by eye.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from rollouts.decide.plan import Destination, HeaderRoute, MirrorRoute, Split
from rollouts.decide.world import Hash
from tests.traffic.stage import Obj, Objects, header, mirror, split
from tests.traffic.users import ALL, MANAGED, Users

FILES = Path(__file__).parent / "golden"

COURSE: tuple[Obj, ...] = (
    {"canary": 0},
    {"canary": 20, "header": {"agent": "x"}},
    {"canary": 20, "tried": 5, "header": {"agent": "x"}},
    {"canary": 70, "header": {"agent": "x"}, "mirror": 35},
    {"canary": 100},
    {"canary": 0, "promoted": True},
)


def said(step: Obj, whole: int = 100) -> Split:
    """The split that a step of the course stands for, in parts of a whole."""
    share = whole // 100
    tried = (Destination("tried", Hash("other"), step["tried"] * share),) if "tried" in step else ()
    routes: list[HeaderRoute | MirrorRoute] = [header("testers", **step["header"])] if "header" in step else []
    routes += [mirror("copies", step["mirror"], path={"prefix": "/a"})] if "mirror" in step else []
    same = bool(step.get("promoted"))
    return split(
        step["canary"] * share, whole=whole, same=same, additional=tried, routes=tuple(routes), managed=MANAGED
    )


def status(step: Obj) -> Obj:
    """The status of a Rollout that has said this step."""
    shares = [{"weight": step["tried"], "serviceName": "tried"}] if "tried" in step else []
    stable = 100 - step["canary"] - step.get("tried", 0)
    weights = {"canary": {"weight": step["canary"]}, "stable": {"weight": stable}, "additional": shares}
    return {"canary": {"weights": weights}}


def told(users: Users) -> Obj:
    """What a golden file says: `before`, then for each split the objects that it changed; null for a deleted one."""
    objects, course, recorded = Objects(*copy.deepcopy(users.objects)), [], None
    for step in COURSE:
        before = copy.deepcopy(objects.all)
        objects.say(users.router(recorded), said(step, users.rest.get("maxTrafficWeight", 100)))
        changed: dict[str, Any] = {
            "/".join(key): copy.deepcopy(objects.all.get(key))
            for key in {**before, **objects.all}
            if before.get(key) != objects.all.get(key)
        }
        course.append({"split": step, "after": changed})
        recorded = status(step)
    return {"trafficRouting": users.routing, "before": list(users.objects), "course": course}


def path(make: Callable[[], Users]) -> Path:
    return FILES / f"{make.__name__}.yaml"


class _Plain(yaml.SafeDumper):
    """Without anchors: each object is written out."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


if __name__ == "__main__":
    FILES.mkdir(exist_ok=True)
    for each in ALL:
        path(each).write_text(yaml.dump(told(each()), Dumper=_Plain, sort_keys=False, width=120))
