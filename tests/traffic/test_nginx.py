"""Ingress-nginx: a canary Ingress beside each stable one."""

from typing import Any

import pytest

from rollouts.traffic.base import RoutingError
from tests.traffic.stage import Obj, Objects, router, split

PREFIX = "nginx.ingress.kubernetes.io"


def path(service: str, at: str = "/") -> Obj:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    return {"path": at, "pathType": "Prefix", "backend": backend}


def ingress(*rules: Obj, name: str = "main", annotations: Obj | None = None, **spec: Any) -> Obj:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
        "spec": {"rules": list(rules) or [{"host": "shop", "http": {"paths": [path("stable")]}}], **spec},
    }


def nginx(**value: Any) -> Any:
    routing = {key: value.pop(key) for key in ("maxTrafficWeight",) if key in value}
    return router("nginx", {"stableIngress": "main", **value} if "stableIngresses" not in value else value, **routing)


def test_the_canary_ingress_is_made_beside_the_stable_one() -> None:
    objects = Objects(ingress(tls=[{"secretName": "s"}], ingressClassName="nginx"))
    assert objects.say(nginx(), split(15)) == ["CreatingCanaryIngress"]
    made = objects.one("Ingress", "r-main-canary")
    assert made["spec"] == {
        "ingressClassName": "nginx",
        "tls": [{"secretName": "s"}],
        "rules": [{"host": "shop", "http": {"paths": [path("canary")]}}],
    }
    assert made["metadata"]["annotations"] == {f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": "15"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-r"
    assert objects.one("Ingress", "main") == ingress(tls=[{"secretName": "s"}], ingressClassName="nginx")


def test_the_weight_follows() -> None:
    objects = Objects(ingress())
    objects.say(nginx(), split(15))
    assert objects.say(nginx(), split(40)) == ["PatchingCanaryIngress"]
    assert objects.one("Ingress", "r-main-canary")["metadata"]["annotations"][f"{PREFIX}/canary-weight"] == "40"


def test_annotations_of_others_survive_and_labels_do_not() -> None:
    objects = Objects(ingress())
    objects.say(nginx(), split(15))
    made = objects.one("Ingress", "r-main-canary")
    made["metadata"]["annotations"]["mine"] = "kept"
    made["metadata"]["labels"] = {"a": "b"}
    objects.say(nginx(), split(15))
    assert objects.one("Ingress", "r-main-canary")["metadata"]["annotations"]["mine"] == "kept"
    assert "labels" not in objects.one("Ingress", "r-main-canary")["metadata"]


def test_only_paths_to_the_stable_service_are_redirected_and_only_their_rules_are_taken() -> None:
    other = {"host": "other", "http": {"paths": [path("else")]}}
    mixed = {"host": "shop", "http": {"paths": [path("stable"), path("else", "/x")]}}
    bare = {"host": "bare"}
    resource = {"host": "res", "http": {"paths": [{"path": "/", "backend": {"resource": {"kind": "Bucket"}}}]}}
    objects = Objects(ingress(other, mixed, bare, resource))
    objects.say(nginx(), split(5))
    rules = objects.one("Ingress", "r-main-canary")["spec"]["rules"]
    assert rules == [{"host": "shop", "http": {"paths": [path("canary"), path("else", "/x")]}}]


def test_prefix_and_annotations_of_the_users_own() -> None:
    objects = Objects(ingress(annotations={"kubernetes.io/ingress.class": "own", "x": "y"}))
    subject = nginx(
        annotationPrefix="custom.io",
        additionalIngressAnnotations={"canary-by-header": "X", "custom.io/b": "c"},
        canaryIngressAnnotations={"plain": "p", "custom.io/canary-weight": "99"},
    )
    objects.say(subject, split(5))
    assert objects.one("Ingress", "r-main-canary")["metadata"]["annotations"] == {
        "kubernetes.io/ingress.class": "own",
        "custom.io/canary-by-header": "X",
        "custom.io/b": "c",
        "plain": "p",
        "custom.io/canary": "true",
        "custom.io/canary-weight": "5",
    }


def test_a_whole_other_than_100_is_told() -> None:
    objects = Objects(ingress())
    objects.say(nginx(maxTrafficWeight=1000), split(5, whole=1000))
    annotations = objects.one("Ingress", "r-main-canary")["metadata"]["annotations"]
    assert (annotations[f"{PREFIX}/canary-weight"], annotations[f"{PREFIX}/canary-weight-total"]) == ("5", "1000")


@pytest.mark.parametrize(
    ("whole", "weight", "said"), [(50, 25, ("50", "100")), (30, 10, ("40", "120")), (1, 1, ("100", "100"))]
)
def test_a_total_below_a_hundred_is_multiplied_because_ingress_nginx_takes_it_for_a_hundred(
    whole: int, weight: int, said: tuple[str, str]
) -> None:
    objects = Objects(ingress())
    objects.say(nginx(maxTrafficWeight=whole), split(weight, whole=whole))
    annotations = objects.one("Ingress", "r-main-canary")["metadata"]["annotations"]
    assert (annotations[f"{PREFIX}/canary-weight"], annotations[f"{PREFIX}/canary-weight-total"]) == said


def test_several_stable_ingresses_each_get_a_canary() -> None:
    objects = Objects(ingress(), ingress(name="second"))
    assert len(objects.say(nginx(stableIngresses=["main", "second"]), split(5))) == 2
    assert objects.one("Ingress", "r-second-canary")


def test_long_names_keep_their_suffix() -> None:
    objects = Objects(ingress(name="i" * 253))
    objects.say(nginx(stableIngresses=["i" * 253]), split(5))
    (name,) = (name for _, name in objects.all if name.endswith("-canary"))
    assert len(name) == 253


def test_an_ingress_of_somebody_else_is_never_touched() -> None:
    objects = Objects(ingress(), ingress(name="r-main-canary"))
    with pytest.raises(RoutingError, match="canary ingress `r-main-canary` controlled by different object"):
        objects.edits(nginx(), split(5))


@pytest.mark.parametrize(
    ("value", "objects", "fault"),
    [
        ({}, [], 'ingress.networking.k8s.io "main" not found'),
        ({}, [ingress({"host": "h", "http": {"paths": [path("x")]}})], "has no rules using service stable backend"),
        ({"stableIngress": ""}, [], "Either StableIngress or StableIngresses must be configured. Neither are"),
        ({"stableIngress": "main", "stableIngresses": ["a"]}, [], "must be configured. Both are configured."),
    ],
)
def test_what_is_missing_is_named(value: Obj, objects: list[Obj], fault: str) -> None:
    assert fault in Objects(*objects).fault(nginx(**value))
