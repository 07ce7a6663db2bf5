"""Lists: what selectors mean, and pages."""

from rollouts.kube.refs import CONFIG_MAP, POD, REPLICA_SET
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, pod, widget, widgets


async def labels_select_as_kubectl_means_it(api: Recorder) -> None:
    for name, labels in (("a", {"app": "web", "tier": "front", "rank": "3"}), ("b", {"app": "api"}), ("c", {})):
        await api.create(CONFIG_MAP, config_map(name, labels), show="kind")
    for selector in (
        "app=web",
        "app==web",
        "app = web , tier=front",
        "app!=web",
        "app in (web, api)",
        "app notin (web)",
        "app notin (web),app",
        "tier",
        "!tier",
        "rank>2",
        "rank<3",
        "rank>x",
        "app=",
        "app=web=x",
        "a b",
        "app in web",
        "app in ()",
        "app in (w!)",
        ",",
        "-a=b",
        "app=w w",
        "app,",
        "(",
    ):
        await api.list(CONFIG_MAP, label_selector=selector)


async def fields_select_where_a_kind_allows_it(api: Recorder) -> None:
    await api.create(POD, pod("a", nodeName="one"), show="kind")
    await api.create(POD, pod("b"), show="kind")
    for selector in (
        "metadata.name=a",
        "metadata.name!=a",
        "spec.nodeName=one",
        "spec.nodeName=",
        "status.phase=Pending",
        "status.phase!=Pending",
        f"metadata.namespace={api.namespace}",
        "spec.restartPolicy=Always",
        "spec.hostNetwork=false",
        "spec.replicas=1",
        "name",
        "metadata.name=a,metadata.name=b",
    ):
        await api.list(POD, field_selector=selector)
    await api.list(REPLICA_SET, field_selector="status.replicas=0")
    await api.list(REPLICA_SET, field_selector="spec.replicas=0")
    kind = await api.define(widgets())
    await api.create(kind, widget("x"), show="kind")
    await api.list(kind, field_selector="metadata.name=x")
    await api.list(kind, field_selector="spec.size=1")


async def a_list_comes_in_pages(api: Recorder) -> None:
    for name in "abcde":
        await api.create(CONFIG_MAP, config_map(name, {"n": name}), show="kind")
    seen, token = [], ""
    for _ in range(3):
        page = await api.wire.list(CONFIG_MAP, api.namespace, limit=2, continue_token=token)
        seen.append([each["metadata"]["name"] for each in page.items])
        token = page.continue_token
    api.note("pages", seen)
    api.note("more", bool(token))
    await api.list(CONFIG_MAP, limit=2, continue_token="nonsense")
