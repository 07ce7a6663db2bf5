"""Builders of blue-green courses: a Rollout created, deployed, updated, and what is seen of it."""

from dataclasses import replace
from typing import Any

from tests import make
from tests.decide.toy import Toy

V1, V2, V3 = "img:1", "img:2", "img:3"
H1, H2, H3 = (make.hash_of(image) for image in (V1, V2, V3))
DEADLINE = "scale-down-deadline"
ANALYSIS = {"templates": [{"templateName": "check"}]}
MANUAL: make.Obj = {"autoPromotionEnabled": False}


def created(replicas: int = 3, *, spec: make.Obj | None = None, **strategy: Any) -> Toy:
    services = ("active",) if strategy.get("previewService", "preview") is None else ("active", "preview")
    toy = Toy(make.blue_green(replicas=replicas, spec=spec, **strategy), services)
    toy.templates[(False, "check")] = make.analysis_template()
    return toy


def deployed(replicas: int = 3, *, spec: make.Obj | None = None, **strategy: Any) -> Toy:
    toy = created(replicas, spec=spec, **strategy)
    toy.run()
    assert toy.phase == "Healthy"
    forget(toy)
    return toy


def updated(replicas: int = 3, **strategy: Any) -> Toy:
    """Deployed, and then given the second version, whose pods are ready."""
    toy = deployed(replicas, **strategy)
    toy.image(V2)
    toy.run()
    forget(toy)
    return toy


def forget(toy: Toy) -> None:
    toy.log.clear()
    toy.events.clear()


def sizes(toy: Toy, *images: str) -> list[int]:
    return [toy.of(image).replicas for image in images]


def verdict(toy: Toy, phase: str, message: str = "as measured") -> str:
    """The run that is not over comes to this; its name."""
    (running,) = (run for run in toy.runs.values() if not run.finished)
    toy.runs[running.name] = replace(running, phase=phase, message=message)
    return running.name


def status(toy: Toy, field: str) -> Any:
    return toy.status["blueGreen"].get(field)
