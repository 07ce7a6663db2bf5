"""`rollouts migrate`: a Deployment becomes a Rollout and comes back, and users notice nothing."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.cli.migrate import migrate, parser, run
from rollouts.kube.access import Access
from rollouts.kube.http import connect
from rollouts.kube.refs import DEPLOYMENT, POD, REPLICA_SET, ROLLOUT, SERVICE, Obj
from rollouts.kube.watch import IN_PROCESS
from rollouts.kube.wire import Wire
from rollouts.manager import Controllers
from rollouts.migrate.carry import Stopped, carry_out
from rollouts.migrate.plan import AUTOSCALER, CannotMigrate, Create, Scene, forward
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from rollouts.sandbox.gateway import Gateway
from rollouts.sandbox.load import Load
from rollouts.sandbox.up import Options, definitions, sandbox
from rollouts.settings import parse
from tests import make
from tests.sandbox.dataplane import eventually
from tests.stories.line import Line
from tests.stories.objects import service, virtual_service
from tests.stories.stage import Stage

REPLICAS = 3
ISTIO = {"canary": {**make.ISTIO, "steps": [make.weight(50), make.pause()]}}
CANARY = {"canary": {"stableService": "stable", "canaryService": "canary", "steps": [make.weight(50), make.pause()]}}
BLUE_GREEN = {"blueGreen": {"activeService": "stable", "autoPromotionEnabled": False}}


def deployment(**spec: Any) -> Obj:
    template = make.template()
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "labels": {"team": "shop"},
            "annotations": {"contact": "us", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {"app": "r"}},
            "template": template,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "minReadySeconds": 0,
            "revisionHistoryLimit": 4,
            **spec,
        },
    }


def autoscaler() -> Obj:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5}
    described = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    return {**described, "metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def told(wire: Wire, *flags: str) -> list[str]:
    """What one command line prints."""
    lines: list[str] = []
    await migrate(wire, "default", parser().parse_args(["web", *flags]), lines.append)
    return lines


# ── under traffic ──


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Cluster, Load]]:
    """A Deployment under real HTTP requests to the host `stable`, and a controller."""
    async with AsyncExitStack() as stack:
        pods = HttpPods()
        stack.push_async_callback(pods.close)
        cluster = await stack.enter_async_context(Cluster(runtime=pods, crds=definitions()))
        wire = cluster.wire
        for name in ("stable", "canary"):
            await wire.create(SERVICE, "default", service(name))
        await wire.create(VIRTUAL_SERVICE, "default", virtual_service())
        await wire.create(DEPLOYMENT, "default", deployment())
        controllers = Controllers(wire, parse([], {}), pace=IN_PROCESS)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(controllers.run())
        stack.callback(controllers.stop)
        gateway = Gateway(wire)
        stack.push_async_callback(gateway.stop)
        await gateway.start()
        await eventually(lambda: sum(map(_ready, gateway.caches[POD])) == REPLICAS)
        # Few enough for a starved machine, where answers that take long are no failures of the migration.
        yield cluster, await stack.enter_async_context(Load(gateway.url, "stable", 50, timeout=60.0))


def _ready(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def more(load: Load, requests: int = 60) -> None:
    wanted = load.snapshot().total.requests + requests
    await eventually(lambda: load.snapshot().total.requests >= wanted)


@pytest.mark.parametrize(
    ("mode", "strategy"),
    [
        ("manifest", None),
        ("workload-ref", None),
        ("manifest", ISTIO),
        ("workload-ref", CANARY),
        ("manifest", BLUE_GREEN),
    ],
    ids=["manifest", "workload-ref", "manifest behind Istio", "workload-ref with Services", "manifest to blue-green"],
)
async def test_not_one_request_fails_on_the_way_there_and_back(mode: str, strategy: Obj | None, tmp_path: Path) -> None:
    flags = ["--mode", mode, "--apply"]
    if strategy is not None:
        (tmp_path / "strategy.yaml").write_text(yaml.safe_dump(strategy))
        flags += ["--strategy", str(tmp_path / "strategy.yaml")]
    async with served() as (cluster, load):
        await more(load)
        assert (await told(cluster.wire, *flags))[-1] == "done"
        await more(load)
        sets = (await cluster.wire.list(REPLICA_SET, "default")).items
        assert {each["metadata"]["ownerReferences"][0]["kind"] for each in sets if each["spec"]["replicas"]} == {
            "Rollout"
        }
        assert (await told(cluster.wire, "--undo", "--apply"))[-1] == "done"
        await more(load)
        left = await cluster.wire.get(DEPLOYMENT, "default", "web")
        assert left["status"]["availableReplicas"] == REPLICAS
    assert load.snapshot().total.statuses.keys() == {200}


# ── step by step, in virtual time ──


async def settled(stage: Stage, **spec: Any) -> None:
    await stage.apply(service("web"), deployment(**spec))
    await stage.until(lambda: len(stage.behind("web")) == REPLICAS)
    await stage.passes(1)


@pytest.mark.virtual
async def test_without_apply_nothing_changes_and_the_manifest_can_be_read() -> None:
    async with Stage() as stage:
        await settled(stage)
        line = Line(stage.wire)
        shown = await told(line)
        assert line.writes == []
        assert shown[:7] == [
            "# 1. create Rollout default/web with 3 replicas",
            "# 2. wait until Rollout default/web is Healthy",
            "# 3. scale Deployment default/web to 0",
            "# 4. wait until the pods of Deployment default/web are gone",
            "# 5. delete Deployment default/web",
            "# Nothing has been changed; --apply does it.",
            "---",
        ]
        manifest = yaml.safe_load("\n".join(shown))
        assert manifest["spec"]["selector"] == {"matchLabels": {"app": "r"}}
        assert manifest["spec"]["revisionHistoryLimit"] == 4
        canary = manifest["spec"]["strategy"]["canary"]
        assert (canary["maxSurge"], canary["maxUnavailable"]) == (1, 0)
        assert manifest["metadata"]["labels"] == {"team": "shop"}
        assert set(manifest["metadata"]["annotations"]) == {"contact", "rollout.argoproj.io/migrated-from"}
        await stage.apply(manifest)
        await stage.reaches("Healthy", name="web")


@pytest.mark.virtual
@pytest.mark.parametrize("mode", ["manifest", "workload-ref"])
async def test_the_deployment_that_comes_back_is_the_one_that_left(mode: str) -> None:
    async with Stage() as stage:
        await settled(stage)
        before = stage.get(DEPLOYMENT, "web")
        await told(stage.wire, "--mode", mode, "--apply")
        assert (stage.find(DEPLOYMENT, "web") is None) == (mode == "manifest")
        await told(stage.wire, "--undo", "--apply")
        after = stage.get(DEPLOYMENT, "web")
        assert after["spec"] == before["spec"]
        assert after["metadata"]["labels"] == before["metadata"]["labels"]
        assert after["metadata"]["annotations"]["contact"] == "us"
        assert stage.find(ROLLOUT, "web") is None
        await stage.until(lambda: len(stage.all(POD)) == REPLICAS)


@pytest.mark.virtual
@pytest.mark.parametrize("mode", ["manifest", "workload-ref"])
async def test_an_autoscaler_follows_there_and_back(mode: str) -> None:
    async with Stage() as stage:
        await settled(stage)
        await stage.wire.create(AUTOSCALER, "default", autoscaler())
        await told(stage.wire, "--mode", mode, "--apply")
        target = (await stage.wire.get(AUTOSCALER, "default", "web"))["spec"]["scaleTargetRef"]
        assert target == {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}
        await stage.until(lambda: len(stage.all(POD)) == REPLICAS)
        await stage.wire.patch(ROLLOUT, "default", "web", {"spec": {"replicas": 4}}, subresource="scale")
        await stage.reaches("Healthy", name="web")
        await told(stage.wire, "--undo", "--apply")
        target = (await stage.wire.get(AUTOSCALER, "default", "web"))["spec"]["scaleTargetRef"]
        assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        assert stage.get(DEPLOYMENT, "web")["spec"]["replicas"] == 4


async def until_dead(line: Line, command: Coroutine[Any, Any, Any]) -> bool:
    """Let a command go on until it ends or its line is dead; whether that cut it off."""
    going, dead = asyncio.create_task(command), asyncio.create_task(line.dead.wait())
    await asyncio.wait([going, dead], return_when=asyncio.FIRST_COMPLETED)
    cut_off = not going.done()
    for task in (going, dead):
        task.cancel()
    await asyncio.gather(going, dead, return_exceptions=True)
    return cut_off


def serving(stage: Stage) -> list[int]:
    """From now on, after every write, how many pods are ready behind the Service."""
    ready: list[int] = []
    stage.server.store.listeners.append(lambda: ready.append(len(stage.behind("web"))))
    return ready


@pytest.mark.virtual
@pytest.mark.parametrize("mode", ["manifest", "workload-ref"])
async def test_one_that_is_cut_off_after_any_write_is_finished_by_running_it_again(mode: str) -> None:
    for cut in range(1, 6):
        async with Stage() as stage:
            await settled(stage)
            await stage.wire.create(AUTOSCALER, "default", autoscaler())
            ready = serving(stage)
            for flags in (("--mode", mode, "--apply"), ("--undo", "--apply")):
                line = Line(stage.wire)
                line.dies_after = cut
                cut_off = await until_dead(line, told(line, *flags))
                if cut_off and not (flags[0] == "--undo" and stage.find(ROLLOUT, "web") is None):
                    await told(stage.wire, *flags)
            await stage.until(lambda: stage.find(ROLLOUT, "web") is None and len(stage.all(POD)) == REPLICAS)
            assert min(ready) >= REPLICAS


@pytest.mark.virtual
async def test_when_the_new_pods_never_become_ready_the_old_ones_stay_and_the_way_back_is_open() -> None:
    async with Stage() as stage:
        await settled(stage)
        first, *rest = forward(Scene(stage.get(DEPLOYMENT, "web"), None), "web", "manifest")
        assert isinstance(first.action, Create)
        broken = make.template()
        broken["metadata"]["annotations"] = {"sandbox.rollouts.dev/ready": "never"}
        manifest = {**first.action.manifest, "spec": {**first.action.manifest["spec"], "template": broken}}
        steps = (replace(first, action=replace(first.action, manifest=manifest)), *rest)
        with pytest.raises(
            Stopped, match="step 2, wait until Rollout default/web is Healthy: not within 60 s; it is Prog"
        ):
            await carry_out(stage.wire, steps, lambda line: None, 60)
        assert len(stage.behind("web")) == REPLICAS
        await told(stage.wire, "--undo", "--apply")
        await stage.until(lambda: len(stage.all(POD)) == REPLICAS)
        assert len(stage.behind("web")) == REPLICAS


@pytest.mark.virtual
async def test_what_cannot_be_migrated_is_told_before_anything_is_done(tmp_path: Path) -> None:
    async with Stage() as stage:
        with pytest.raises(CannotMigrate, match="there is no such Deployment"):
            await told(stage.wire, "--apply")
        await settled(stage)
        recreate = {"type": "Recreate", "rollingUpdate": None}
        for spec, message in (({"strategy": recreate}, "Recreate"), ({"paused": True}, "paused")):
            await stage.change(DEPLOYMENT, "web", {"spec": spec})
            with pytest.raises(CannotMigrate, match=message):
                await told(stage.wire, "--apply")
            await stage.change(DEPLOYMENT, "web", {"spec": {"strategy": {"type": "RollingUpdate"}, "paused": False}})
        await stage.passes(1)
        (tmp_path / "bad.yaml").write_text("canary: {maxSurge: 0, maxUnavailable: 0}")
        with pytest.raises(CannotMigrate, match="MaxSurge and MaxUnavailable both can not be zero"):
            await told(stage.wire, "--strategy", str(tmp_path / "bad.yaml"))
        (tmp_path / "none.yaml").write_text("steps: []")
        with pytest.raises(CannotMigrate, match="holds no strategy"):
            await told(stage.wire, "--strategy", str(tmp_path / "none.yaml"))
        foreign = make.rollout(name="web", replicas=1)
        foreign["metadata"] = {"name": "web", "namespace": "default"}
        await stage.apply(foreign)
        for flags in ((), ("--undo",)):
            with pytest.raises(CannotMigrate, match=r"did not come from this|came from no Deployment"):
                await told(stage.wire, *flags)


@pytest.mark.virtual
async def test_the_way_back_is_closed_in_the_middle_of_an_update() -> None:
    async with Stage() as stage:
        await settled(stage)
        await told(stage.wire, "--apply")
        await stage.release("img:2", "web")
        await stage.reaches("Paused", name="web")
        with pytest.raises(CannotMigrate, match="it is Paused"):
            await told(stage.wire, "--undo", "--apply")


async def test_the_command_finds_its_cluster_like_kubectl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = str(tmp_path / "kubeconfig")
    async with (
        sandbox(Options(Path(kubeconfig))),
        await connect(Access(kubeconfig), user_agent="test") as wire,
    ):
        await wire.create(DEPLOYMENT, "default", deployment())

        async def asked(*flags: str) -> int:
            return await asyncio.to_thread(run, ["web", "--kubeconfig", kubeconfig, *flags])

        async with asyncio.timeout(20):
            while await asked():  # noqa: ASYNC110 # a Deployment settles without telling other processes
                await asyncio.sleep(0.05)
        shown = capsys.readouterr().out
        assert yaml.safe_load(shown)["kind"] == "Rollout"
        assert "# 5. delete Deployment default/web" in shown
        assert await asked("--undo") == 1
        assert capsys.readouterr().err == "Error: Rollout default/web: there is no such Rollout\n"


def test_a_command_line_without_a_cluster_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["web", "--kubeconfig", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith("Error: ")
