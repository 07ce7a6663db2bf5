"""Indexes by which decisions find what concerns them."""

from rollouts.kube.cache import Cache
from rollouts.kube.refs import ANALYSIS_RUN, Obj
from rollouts.observe.caches import NAMED_AFTER, named_after


def run(namespace: str, name: str) -> Obj:
    return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": "1"}}


def test_runs_are_found_by_the_name_that_they_begin_with() -> None:
    cache = Cache(ANALYSIS_RUN, indexes={NAMED_AFTER: named_after})
    for name in ("shop-6c59-2", "shop-6c59-2.1", "shop-api-77-1", "shopping-1-1", "shop"):
        cache.put(run("a", name))
    cache.put(run("b", "shop-6c59-2"))

    def found(name: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in cache.by(NAMED_AFTER, f"a/{name}")]

    assert found("shop") == ["shop-6c59-2", "shop-6c59-2.1", "shop-api-77-1"]
    assert found("shop-api") == ["shop-api-77-1"]
    assert found("shop-6c59-2") == found("sho") == []
