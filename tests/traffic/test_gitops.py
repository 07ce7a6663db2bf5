"""Ignore rules for GitOps tools: they name every field that a router writes, and nothing that it does not."""

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api.rollout import Rollout
from rollouts.decide.plan import Destination, Split
from rollouts.decide.world import Hash
from rollouts.traffic.gitops import Each, Path, argo_cd, flux, touched
from tests import make
from tests.traffic.stage import Obj, Objects, header, mirror, split
from tests.traffic.test_nothing_lost import HOME, recorded, splits
from tests.traffic.users import ALL, MANAGED, SETTINGS, Users

TRIED = {"experiment": {"templates": [{"name": "t", "specRef": "canary", "weight": 5}]}}
COURSE: tuple[Split, ...] = (
    split(0, managed=MANAGED),
    split(20, routes=(header("testers", agent="x"), mirror("copies")), managed=MANAGED),
    split(70, managed=MANAGED),
    split(20, additional=(Destination("tried", Hash("x"), 5),), managed=MANAGED),
)


def rollout_of(users: Users, *steps: Obj) -> Rollout:
    return Rollout.model_validate(make.rollout(*steps, canary={**make.ISTIO, "trafficRouting": users.routing}))


def without(value: Any, path: Path) -> Any:
    """A value less what stands at a path."""
    if not path:
        return None
    key, rest = path[0], path[1:]
    if isinstance(key, Each):
        if not isinstance(value, list):
            return value
        return [without(item, rest) if key.takes(item) else item for item in value if rest or not key.takes(item)]
    if not isinstance(value, dict) or key not in value:
        return value
    if not rest:
        return {name: part for name, part in value.items() if name != key}
    return {**value, key: without(value[key], rest)}


def ignored(obj: Obj, rollout: Rollout) -> Obj:
    """The object as a GitOps tool compares it."""
    for each in touched(rollout, SETTINGS):
        if each.resource.kind == obj["kind"] and each.name in ("", obj["metadata"]["name"]):
            for path in each.paths:
                obj = without(obj, path)
    metadata = {key: part for key, part in obj["metadata"].items() if part}
    return {**obj, "metadata": metadata}


@settings(max_examples=15, deadline=None)
@given(course=st.lists(splits, max_size=4))
@pytest.mark.parametrize("make_users", ALL)
def test_what_a_router_writes_is_ignored(make_users: Callable[[], Users], course: list[Split]) -> None:
    users, before = make_users(), HOME
    rollout, objects = rollout_of(users, TRIED), Objects(*copy.deepcopy(users.objects))
    for wanted in (*COURSE, *course):
        objects.say(users.router(recorded(before)), wanted)
        before = wanted
        for given_one in users.objects:
            now = objects.one(given_one["kind"], given_one["metadata"]["name"])
            assert ignored(now, rollout) == ignored(given_one, rollout)


@pytest.mark.parametrize("make_users", ALL)
def test_what_people_write_is_not_ignored(make_users: Callable[[], Users]) -> None:
    users = make_users()
    rollout = rollout_of(users)
    for obj in users.objects:
        kept = json.dumps(ignored(obj, rollout))
        assert "kept" in kept, "annotations of theirs"
        assert "canary" in kept or obj["kind"] not in ("TraefikService", "ApisixRoute", "HTTPRoute")


def test_argo_cd_understands_the_rules() -> None:
    """Its expressions are jq's: run by jq itself, they leave the same as they say here."""
    jq = shutil.which("jq")
    if jq is None:
        pytest.skip("jq is not installed")
    for make_users in ALL:
        users = make_users()
        rollout, objects = rollout_of(users), Objects(*copy.deepcopy(users.objects))
        objects.say(users.router(), COURSE[1])
        told = argo_cd(touched(rollout, SETTINGS))["ignoreDifferences"]
        for before in users.objects:
            name, kind = before["metadata"]["name"], before["kind"]
            now = objects.one(kind, name)
            rules = [rule for rule in told if rule["kind"] == kind and rule.get("name", name) == name]
            program = " | ".join(f"del({path})" for rule in rules for path in rule["jqPathExpressions"]) or "."
            ran = subprocess.run([jq, program], input=json.dumps(now), capture_output=True, text=True, check=True)
            left = json.loads(ran.stdout)
            left["metadata"] = {key: part for key, part in left["metadata"].items() if part}
            assert left == ignored(now, rollout)


def test_the_rules_of_one_rollout_as_argo_cd_takes_them() -> None:
    (users,) = (each() for each in ALL if each.__name__ == "istio")
    told = argo_cd(touched(rollout_of(users), SETTINGS))
    assert told["syncPolicy"] == {"syncOptions": ["RespectIgnoreDifferences=true"]}
    assert told["ignoreDifferences"][0] == {
        "kind": "Service",
        "name": "stable",
        "namespace": "default",
        "jqPathExpressions": [
            '.spec.selector."rollouts-pod-template-hash"',
            '.metadata.annotations."argo-rollouts.argoproj.io/managed-by-rollouts"',
        ],
    }
    assert told["ignoreDifferences"][2] == {
        "group": "networking.istio.io",
        "kind": "VirtualService",
        "name": "vs",
        "namespace": "default",
        "jqPathExpressions": [
            '.spec.http[]? | select((.name // "") | test("^(main)$")) | .route[]?.weight',
            ".spec.tls[]?.route[]?.weight",
            ".spec.tcp[]?.route[]?.weight",
            '.spec.http[]? | select((.name // "") | test("^(testers|copies)$"))',
        ],
    }


def test_flux_ignores_lists_as_a_whole() -> None:
    (users,) = (each() for each in ALL if each.__name__ == "istio")
    told = flux(touched(rollout_of(users), SETTINGS))["ignore"]
    assert told[0] == {
        "paths": [
            "/spec/selector/rollouts-pod-template-hash",
            "/metadata/annotations/argo-rollouts.argoproj.io~1managed-by-rollouts",
        ],
        "target": {"kind": "Service", "name": "stable", "namespace": "default"},
    }
    assert told[2] == {
        "paths": ["/spec/http", "/spec/tls", "/spec/tcp"],
        "target": {
            "group": r"networking\.istio\.io",
            "kind": "VirtualService",
            "name": "vs",
            "namespace": "default",
        },
    }


def test_a_deployment_that_is_scaled_down_is_named() -> None:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "scaleDown": "onsuccess"}
    rollout = Rollout.model_validate(make.rollout(workloadRef=ref))
    (only,) = touched(rollout, SETTINGS)
    assert (only.resource.kind, only.name, only.paths) == ("Deployment", "d", (("spec", "replicas"),))
