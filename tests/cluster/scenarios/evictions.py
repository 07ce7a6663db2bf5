"""Evictions under PodDisruptionBudgets. Their status is a controller's to write; here it is written in its place."""

import json
from typing import Any

from rollouts.kube.refs import POD, Obj
from rollouts.sandbox.apiserver.types.registry import POD_DISRUPTION_BUDGET
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import pod

_EVICTION: Obj = {"apiVersion": "policy/v1", "kind": "Eviction"}


async def _pod(api: Recorder, name: str, *, ready: bool = True, phase: str = "Running") -> None:
    await api.create(POD, pod(name, nodeName="node"), show="kind")
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"phase": phase, "conditions": conditions}
    await api.patch(POD, name, {"status": status}, subresource="status", show="status.phase")


async def _budget(api: Recorder, name: str = "guard", **spec: Any) -> None:
    given = {"selector": {"matchLabels": {"app": "web"}}, **(spec or {"minAvailable": 1})}
    await api.create(POD_DISRUPTION_BUDGET, {"metadata": {"name": name}, "spec": given}, show="kind")


async def _counted(api: Recorder, allowed: int, healthy: int, desired: int = 1, generation: int = 1) -> None:
    """The status that the disruption controller would write."""
    status = {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": desired}
    status |= {"expectedPods": healthy, "observedGeneration": generation}
    await api.patch(POD_DISRUPTION_BUDGET, "guard", {"status": status}, subresource="status", show="status")


async def _evict(api: Recorder, name: str, query: str = "", **rest: Any) -> None:
    body = json.dumps({**_EVICTION, "metadata": {"name": name}, **rest}).encode()
    path = f"/api/v1/namespaces/{api.namespace}/pods/{name}/eviction{query}"
    await api.ask("POST", path, body, media="application/json")


async def a_budget_that_nobody_has_counted_yet_lets_nobody_go(api: Recorder) -> None:
    await _pod(api, "a")
    await _budget(api)
    await _evict(api, "a")
    await _counted(api, 1, 2)
    await api.patch(POD_DISRUPTION_BUDGET, "guard", {"spec": {"minAvailable": 2}}, show="metadata.generation")
    await _evict(api, "a")
    await api.get(POD, "a", show="metadata")


async def a_budget_counts_down_with_each_eviction(api: Recorder) -> None:
    for name in "abc":
        await _pod(api, name)
    await _budget(api)
    await _counted(api, 1, 2)
    await _evict(api, "a", "?dryRun=All")
    await _evict(api, "a", deleteOptions={"dryRun": ["All"]})
    await api.get(POD_DISRUPTION_BUDGET, "guard", show="status")
    await _evict(api, "a")
    await api.get(POD_DISRUPTION_BUDGET, "guard", show="status")
    await api.get(POD, "a", show="status.conditions")
    await _evict(api, "b")
    await api.get(POD, "b", show="status.conditions")
    await _counted(api, 0, 1, desired=3)
    await _evict(api, "b", "?dryRun=All")
    await _evict(api, "b", deleteOptions={"gracePeriodSeconds": 0})


async def a_pod_that_has_not_begun_or_has_ended_goes_past_any_budget(api: Recorder) -> None:
    await _budget(api)
    await _counted(api, 0, 1)
    for phase in ("Pending", "Succeeded", "Failed", "Unknown"):
        await _pod(api, phase.lower(), phase=phase)
        await _evict(api, phase.lower())
    await _pod(api, "going")
    await api.delete(POD, "going", show="kind")
    await _evict(api, "going")
    await api.get(POD_DISRUPTION_BUDGET, "guard", show="status")


async def a_pod_that_is_not_ready_goes_where_enough_others_are(api: Recorder) -> None:
    await _budget(api)
    await _counted(api, 0, 0)
    await _pod(api, "a", ready=False)
    await _evict(api, "a")
    await _counted(api, 0, 1)
    await _evict(api, "a")
    await api.get(POD_DISRUPTION_BUDGET, "guard", show="status")


async def a_pod_that_is_not_ready_may_always_go_where_a_budget_says_so(api: Recorder) -> None:
    await _budget(api, minAvailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")
    await _counted(api, 0, 0)
    await _pod(api, "a", ready=False)
    await _evict(api, "a")
    await _budget(api, "other", minAvailable=1, unhealthyPodEvictionPolicy="Sometimes")


async def two_budgets_over_one_pod_are_a_mistake_that_is_told(api: Recorder) -> None:
    await _pod(api, "a")
    await _budget(api)
    await _budget(api, "other")
    await _evict(api, "a")
    await api.get(POD, "a", show="metadata")


async def a_budget_covers_what_its_selector_says(api: Recorder) -> None:
    await _pod(api, "a")
    await _budget(api, selector={"matchExpressions": [{"key": "app", "operator": "Exists"}]}, maxUnavailable=0)
    await _evict(api, "a")
    await api.delete(POD_DISRUPTION_BUDGET, "guard")
    await _budget(api, selector={}, maxUnavailable="0%")
    await _evict(api, "a")
    await api.delete(POD_DISRUPTION_BUDGET, "guard")
    await _budget(api, selector=None, maxUnavailable=0)
    await _budget(api, "another", selector={"matchLabels": {"app": "other"}}, maxUnavailable=0)
    await _evict(api, "a")


async def an_eviction_has_to_be_one_and_to_name_its_pod(api: Recorder) -> None:
    await _pod(api, "a")
    await _evict(api, "none")
    await _evict(api, "a", metadata={"name": "b"})
    await _evict(api, "a", metadata={})
    await _evict(api, "a", kind="Pod")
    await _evict(api, "a", apiVersion="policy/v1beta1")
    await _evict(api, "a", apiVersion="policy/v9")
    await _evict(api, "a", deleteOptions={"preconditions": {"resourceVersion": "1"}})
    await api.ask("POST", f"/api/v1/namespaces/{api.namespace}/pods/a/eviction", b"{}", media="application/json")
    await api.get(POD, "a", show="metadata")


async def a_budget_is_checked(api: Recorder) -> None:
    selector = {"matchLabels": {"app": "web"}}
    for spec in ({"maxUnavailable": "half"}, {"maxUnavailable": "120%"}, {"minAvailable": 1.5}, {"selector": selector}):
        await api.create(POD_DISRUPTION_BUDGET, {"metadata": {"name": "b"}, "spec": spec}, show="spec")
    await api.patch(POD_DISRUPTION_BUDGET, "b", {"spec": {"selector": {"matchLabels": {"a": "b"}}}}, show="spec")
    await api.patch(
        POD_DISRUPTION_BUDGET, "b", {"status": {"disruptionsAllowed": -1}}, subresource="status", show="status"
    )
