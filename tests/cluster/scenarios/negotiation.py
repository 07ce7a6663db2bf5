"""In which languages requests and answers come: JSON, YAML, protobuf; and what is served, told to those who ask."""

from typing import Any

from rollouts.kube.refs import CONFIG_MAP, Obj
from tests.cluster.door import NAMES, PROTOBUF, TABLE
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, widget, widgets
from tests.sandbox.wireformat import body, number, piece

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def _core(api: Recorder, rest: str) -> str:
    return f"/api/v1/namespaces/{api.namespace}/{rest}"


async def an_object_may_be_sent_in_protobuf(api: Recorder) -> None:
    metadata = piece(1, piece(1, "a"), piece(2, ""), piece(8), piece(11, piece(1, "app"), piece(2, "web")))
    entry = piece(2, piece(1, "k"), piece(2, "v"))
    await api.ask("POST", _core(api, "configmaps"), body("v1", "ConfigMap", metadata, entry), media=PROTOBUF)
    secret = piece(2, piece(1, "k"), piece(2, b"\xff\x00"))
    await api.ask("POST", _core(api, "secrets"), body("v1", "Secret", metadata, secret), media=PROTOBUF)
    labels = piece(1, piece(1, "app"), piece(2, "web"))
    pod = piece(
        3, piece(1, piece(11, piece(1, "app"), piece(2, "web"))), piece(2, piece(2, piece(1, "c"), piece(2, "web:1")))
    )
    spec = piece(2, number(1, 0), piece(2, labels), pod, number(5, 0), number(7, 0))
    path = f"/apis/apps/v1/namespaces/{api.namespace}/deployments"
    await api.ask("POST", path, body("apps/v1", "Deployment", metadata, spec), media=PROTOBUF)
    put = body("v1", "ConfigMap", metadata, piece(2, piece(1, "k"), piece(2, "w")))
    await api.ask("PUT", _core(api, "configmaps/a"), put, media=PROTOBUF)
    options = body("v1", "DeleteOptions", piece(4, "Background"), piece(5, "All"))
    await api.ask("DELETE", _core(api, "configmaps/a"), options, media=PROTOBUF)


async def protobuf_that_cannot_be_read_is_refused(api: Recorder) -> None:
    """The sandbox says otherwise why: these are words of Go's decoders."""
    for sent in (b"", b"{}", b"k8s\x00", body("v1", "ConfigMap")[:-1], body("v9", "ConfigMap"), body("v1", "Secret")):
        await api.ask("POST", _core(api, "configmaps"), sent, media=PROTOBUF)


async def an_answer_comes_in_the_language_that_the_client_likes_best(api: Recorder) -> None:
    """The sandbox answers in no protobuf: whoever takes it takes JSON, too."""
    await api.create(CONFIG_MAP, config_map("a", x="1"), show="kind")
    for accept in (
        PROTOBUF,
        f"{PROTOBUF},application/json",
        f"application/json,{PROTOBUF}",
        "application/yaml",
        "application/yaml;q=0.5,application/json",
        "application/*",
        "text/html,*/*;q=0.8",
        f"text/html,{NAMES}",
    ):
        await api.ask("GET", _core(api, "configmaps/a"), accept=accept)


async def a_custom_resource_is_told_in_json_and_yaml_alone(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("x", size=1), show="kind")
    path = f"/apis/{kind.group}/v1/namespaces/{api.namespace}/widgets/x"
    for accept in (PROTOBUF, f"{PROTOBUF},application/json", "application/yaml", TABLE.replace("v=v1;", "v=v1beta1;")):
        await api.ask("GET", path, accept=accept)


async def a_body_in_yaml_is_read_as_people_write_it(api: Recorder) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  date: '2026-01-01'\n  yes: 'on'\n"
    await api.ask("POST", _core(api, "configmaps"), text, media="application/yaml")
    for wrong in (b"a: [", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {day: 2026-01-01, no: off}\n"):
        await api.ask("POST", _core(api, "configmaps"), wrong, media="application/yaml")
    custom = await api.define(widgets())
    sent = f"apiVersion: {custom.group}/v1\nkind: Widget\nmetadata: {{name: x}}\nspec: {{day: 2026-01-01, on: yes}}\n"
    path = f"/apis/{custom.group}/v1/namespaces/{api.namespace}/widgets"
    await api.ask("POST", path, sent.encode(), media="application/yaml")


async def everything_that_is_served_is_discovered_at_once(api: Recorder) -> None:
    kind = await api.define(widgets(scale=True, shortNames=["wd"], categories=["all"]))
    answer = await _discovered(api, "/apis", lambda body: _group(body, kind.group) is not None)
    api.note("defined", _group(answer.body, kind.group))
    api.note("media", answer.media)
    core = _group((await api.ask("GET", "/api", quiet=True, accept=_AGGREGATED)).body, "")
    assert core is not None
    listed = {one["resource"]: one for one in core["versions"][0]["resources"]}
    api.note("core", [listed[name] for name in ("configmaps", "services", "events")])


async def _discovered(api: Recorder, path: str, holds: Any) -> Any:
    """The answer as soon as it tells of what was defined, which a server is allowed a moment for."""
    for _ in range(600):
        answer = await api.ask("GET", path, quiet=True, accept=_AGGREGATED)
        if holds(answer.body):
            return answer
        await api.pause()
    raise AssertionError("what was defined is not discovered")


def _group(body: Obj, name: str) -> Obj | None:
    found = next((one for one in body["items"] if one["metadata"].get("name", "") == name), None)
    return {key: value for key, value in found.items() if key != "metadata"} if found else None


async def a_schema_is_published_for_those_who_explain_it(api: Recorder) -> None:
    spec = {"type": "object", "description": "What is wanted.", "properties": {"size": {"type": "integer"}}}
    kind = await api.define(widgets(spec=spec))
    path = f"apis/{kind.group}/v1"
    for _ in range(600):
        index = (await api.ask("GET", "/openapi/v3", quiet=True)).body["paths"]
        if path in index:
            break
        await api.pause()
    api.note("where", index[path]["serverRelativeURL"].partition("?")[0])
    document = (await api.ask("GET", index[path]["serverRelativeURL"], quiet=True)).body
    named = next(name for name in document["components"]["schemas"] if name.endswith(".Widget"))
    shown = document["components"]["schemas"][named]
    api.note("kind", shown["x-kubernetes-group-version-kind"])
    api.note("spec", shown["properties"]["spec"])
    core = (await api.ask("GET", "/openapi/v3/api/v1", quiet=True)).body["components"]["schemas"]
    port = next(each for name, each in core.items() if name.rpartition(".")[2] == "ContainerPort")
    api.note("required", port["required"])
    api.note("fields", {name: each.get("type") for name, each in port["properties"].items()})
    await api.ask("GET", "/openapi/v3/apis/nobody.example.com/v1")
