"""Builders of canary courses: a Rollout deployed, routed, given ten pods, and what is seen of it."""

from typing import Any

from rollouts.api import labels
from tests import make
from tests.decide.toy import Toy

V1, V2, V3 = "img:1", "img:2", "img:3"
DEADLINE = labels.SCALE_DOWN_DEADLINE
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
TEN: make.Obj = {"canary": {**make.ISTIO, "dynamicStableScale": True}, "services": ("stable", "canary"), "replicas": 10}


def sizes(toy: Toy, *images: str) -> list[int]:
    return [toy.of(image).replicas for image in images]


def deployed(*steps: make.Obj, services: tuple[str, ...] = (), **rest: Any) -> Toy:
    toy = Toy(make.rollout(*steps, **rest), services)
    toy.run()
    assert toy.phase == "Healthy"
    toy.log.clear()
    toy.events.clear()
    return toy


def routed(*steps: make.Obj, **canary: Any) -> Toy:
    return deployed(*steps, services=("stable", "canary"), canary={**make.ISTIO, **canary})


def dynamic(*steps: make.Obj, **canary: Any) -> Toy:
    """Ten pods, of which stable keeps only what its share needs."""
    return deployed(*steps, **{**TEN, "canary": {**TEN["canary"], **canary}})


def updated(toy: Toy, image: str = V2) -> Toy:
    """Given another version, whose pods become ready as far as it goes by itself."""
    toy.image(image)
    toy.run()
    return toy


def rules(toy: Toy, image: str) -> make.Obj:
    """The rules that keep the pods of a version off some nodes."""
    found: make.Obj = toy.of(image).template["spec"].get("affinity", {}).get("podAntiAffinity", {})
    return found
