"""What routers write is what the real definitions of their kinds allow, and reads the same with their defaults."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from rollouts.decide.plan import Destination, Split
from rollouts.decide.world import Hash
from rollouts.sandbox.apiserver.types.schema import Node, compile_schema
from tests.traffic.stage import Obj, Objects, header, mirror, split
from tests.traffic.users import DEFINED, MANAGED, Users

CRDS = Path(__file__).parents[3] / "shared" / "upstream" / "crds"
pytestmark = pytest.mark.skipif(not CRDS.is_dir(), reason="the routers' definitions are not beside this repository")

EXPERIMENT = (Destination("tried", Hash("x"), 5),)
COPIES = mirror("copies", 35, path={"prefix": "/a"}, headers={"agent": {"regex": "x+"}})
STANDING: Obj = {"routes": (header("testers", agent="x"), COPIES), "managed": MANAGED}


@cache
def definitions(file: str) -> dict[tuple[str, str], Node]:
    """The schemas in a file, by API version and kind."""
    found = {}
    for crd in filter(None, yaml.safe_load_all((CRDS / f"{file}.yaml").read_text())):
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = compile_schema(version["schema"]["openAPIV3Schema"])
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


class Cluster(Objects):
    """Objects as an API server keeps them: judged by their schema, pruned, and with its defaults."""

    def __init__(self, files: tuple[str, ...], *objects: Obj) -> None:
        self.schemas = {key: schema for file in files for key, schema in definitions(file).items()}
        super().__init__()
        for obj in objects:
            self.store(obj, None)

    def store(self, obj: Obj, before: Obj | None) -> None:
        schema = self.schemas[obj["apiVersion"], obj["kind"]]
        assert list(schema.unknown(obj)) == []
        shaped = schema.shaped(obj)
        assert schema.causes(shaped) == []
        super().store(shaped, before)


COURSE: tuple[Split, ...] = (
    split(0, same=True),
    split(0),
    split(20, **STANDING),
    split(20, additional=EXPERIMENT, **STANDING),
    split(100, managed=MANAGED),
    split(0, same=True, managed=MANAGED),
)


@pytest.mark.parametrize("users", DEFINED)
def test_each_write_of_an_update_is_what_the_definition_allows(users: Callable[[], Users]) -> None:
    given = users()
    cluster = Cluster(given.files, *given.objects)
    written = 0
    for wanted in COURSE:
        shares = [{"weight": one.weight, "serviceName": one.service} for one in EXPERIMENT]
        recorded = {"canary": {"weight": 0}, "stable": {"weight": 100}, "additional": shares}
        written += len(cluster.say(given.router({"canary": {"weights": recorded}}), wanted))
    assert written >= 3
