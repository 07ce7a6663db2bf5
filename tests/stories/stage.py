"""The stage: a sandbox cluster in virtual time with a real controller, and words for what people do and see on it.

Whatever a story looks at is read from the API server's store, so looking costs no request and no time. Waiting means
waiting for the next write, never longer than a stated span of virtual time.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from rollouts import operations
from rollouts.api import labels
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    CRD,
    DEPLOYMENT,
    EVENT,
    EXPERIMENT,
    NAMESPACE,
    POD,
    REPLICA_SET,
    ROLLOUT,
    SECRET,
    SERVICE,
    Obj,
    Ref,
    Resource,
    name_of,
    namespace_of,
)
from rollouts.kube.watch import IN_PROCESS
from rollouts.manager import Controllers
from rollouts.metrics import Metrics
from rollouts.sandbox import clock
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from rollouts.sandbox.kubelet.kubelet import Timing
from rollouts.settings import parse
from rollouts.view import Phase, rollout_phase
from tests.stories.line import Line
from tests.stories.objects import istio_crds
from tests.stories.prometheus import Prometheus

T = TypeVar("T")

_KINDS = {
    resource.kind: resource
    for resource in (
        ANALYSIS_RUN,
        ANALYSIS_TEMPLATE,
        CLUSTER_ANALYSIS_TEMPLATE,
        DEPLOYMENT,
        EXPERIMENT,
        NAMESPACE,
        REPLICA_SET,
        ROLLOUT,
        SECRET,
        SERVICE,
        VIRTUAL_SERVICE,
    )
}


class Stage:
    """`async with Stage() as stage:` and there is a cluster whose Rollouts are looked after.

    `flags` are the controller's; without `controller` nobody is at work until `start`. `cluster`: how pods behave
    where their annotations do not say.
    """

    in_order = True
    """Whether looks see every write, of whatever kind, in the order in which they were made."""
    _clock = staticmethod(clock.now)

    def __init__(self, *flags: str, controller: bool = True, **cluster: Any) -> None:
        self.flags = flags
        self.cluster = Cluster(**{"timing": Timing(0.3, 0.2), **cluster})
        assert self.cluster.server is not None
        self.server = self.cluster.server
        self.wire = self.cluster.wire
        self.prometheus = Prometheus()
        self.course: list[Phase] = []
        """Every phase of the Rollout `r` with its message, as a watcher saw them follow each other."""
        self._begins_at_once = controller
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.controllers: Controllers
        self.line: Line
        self.metrics: Metrics

    async def __aenter__(self) -> Self:
        await self.cluster.__aenter__()
        for definition in istio_crds():
            await self.wire.create(CRD, "", definition)
        self.server.store.listeners.append(self._noticed)
        if self._begins_at_once:
            self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()
        await self.cluster.__aexit__(None, None, None)  # so that a failed assertion is not wrapped in a group

    def _noticed(self) -> None:
        self._changed.set()
        found = self.find(ROLLOUT, "r")
        if found is not None and (not self.course or rollout_phase(found) != self.course[-1]):
            self.course.append(rollout_phase(found))

    # ── the controller ──

    def start(self) -> None:
        """A controller begins its work, knowing nothing but what the cluster holds."""
        self.line = Line(self.server.as_user("controller"))
        self.metrics = Metrics("stage")
        settings = parse(list(self.flags), {})
        self.controllers = Controllers(
            self.line, settings, clock=self._clock, pace=IN_PROCESS, http=self.prometheus.http(), metrics=self.metrics
        )
        self.metrics.sources = self.controllers.sources
        self._task = asyncio.create_task(self.controllers.run(), name="controller")

    async def stop(self) -> None:
        """The controller finishes what it has in hand."""
        self.controllers.stop()
        assert self._task is not None
        await self._task
        self._task = None

    async def kill(self) -> None:
        """The controller ends wherever it stands."""
        if self._task is None:
            return
        if not self._task.done():
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    # ── what people do ──

    async def apply(self, *manifests: Obj) -> None:
        """Create each object, or give the one that exists this manifest's content (its status stays)."""
        for manifest in manifests:
            resource = _KINDS[manifest["kind"]]
            namespace = namespace_of(manifest) if resource.namespaced else ""
            found = self.find(resource, name_of(manifest), namespace)
            if found is None:
                await self.wire.create(resource, namespace, manifest)
            else:
                metadata = {**found["metadata"], **manifest["metadata"]}
                await self.wire.replace(
                    resource, namespace, name_of(manifest), {**found, **manifest, "metadata": metadata}
                )

    async def deploy(self, *manifests: Obj) -> None:
        """Apply, and wait until the Rollout `r` is Healthy with all it manages in place."""
        await self.apply(*manifests)
        await self.reaches("Healthy")
        await self.passes(1)

    async def change(self, resource: Resource, name: str, patch: Obj, **options: Any) -> None:
        """A merge patch."""
        await self.wire.patch(resource, "default", name, patch, **options)

    async def delete(self, resource: Resource, name: str) -> None:
        await self.wire.delete(resource, "default", name, propagation="Background")

    async def edit(self, name: str = "r", **spec: Any) -> None:
        """Change fields of a Rollout's spec."""
        await self.change(ROLLOUT, name, {"spec": spec})

    async def operate(self, operation: operations.Operation) -> str:
        """What the plugin does with an operation; answers what it prints."""
        for change in operation.changes:
            ref = change.ref
            await self.wire.patch(
                ref.resource, ref.namespace, ref.name, change.patch, type=change.type, subresource=change.subresource
            )
        return operation.message

    async def release(self, image: str, name: str = "r") -> None:
        """`kubectl argo rollouts set image`."""
        ref = Ref(ROLLOUT, "default", name)
        await self.operate(operations.set_image(self.rollout(name), ref, {"*": image}))

    async def promote(self, name: str = "r", **flags: bool) -> None:
        await self.operate(operations.promote(self.rollout(name), **flags))

    async def abort(self, name: str = "r") -> None:
        await self.operate(operations.abort("default", name))

    async def retry(self, name: str = "r") -> None:
        await self.operate(operations.retry("default", name))

    async def undo(self, to_revision: int = 0) -> str:
        found = operations.undo(self.rollout(), self.all(REPLICA_SET), to_revision=to_revision)
        return await self.operate(found)

    # ── what people see ──

    def find(self, resource: Resource, name: str, namespace: str = "default") -> Obj | None:
        key = self.server.registry.of(resource).key
        return self.server.store.table(key).get(namespace if resource.namespaced else "", name)

    def get(self, resource: Resource, name: str) -> Obj:
        found = self.find(resource, name)
        assert found is not None, f"no {resource.kind} {name}"
        return found

    def all(self, resource: Resource, namespace: str = "default") -> list[Obj]:
        key = self.server.registry.of(resource).key
        return list(self.server.store.table(key).objects.get(namespace, {}).values())

    def rollout(self, name: str = "r") -> Obj:
        return self.get(ROLLOUT, name)

    def status(self, name: str = "r") -> Obj:
        status: Obj = self.rollout(name).get("status") or {}
        return status

    def phase(self, name: str = "r") -> Phase:
        return rollout_phase(self.rollout(name))

    def condition(self, type: str, name: str = "r") -> Obj:
        """A condition of the Rollout, {} when it has none of this type."""
        found: list[Obj] = self.status(name).get("conditions") or []
        return next((each for each in found if each["type"] == type), {})

    def sizes(self, name: str = "r") -> dict[str, int]:
        """Pods asked for by image, of every ReplicaSet of the Rollout that asks for any."""
        uid = self.rollout(name)["metadata"]["uid"]
        return {image_of(rs): rs["spec"]["replicas"] for rs in self._owned(uid) if rs["spec"]["replicas"]}

    def _owned(self, uid: str) -> list[Obj]:
        return [
            rs
            for rs in self.all(REPLICA_SET)
            if any(owner["uid"] == uid for owner in rs["metadata"].get("ownerReferences") or ())
        ]

    def replica_set(self, image: str) -> Obj:
        found = [rs for rs in self.all(REPLICA_SET) if image_of(rs) == image]
        assert len(found) == 1, f"{len(found)} ReplicaSets of {image}"
        return found[0]

    def ready(self, **selector: str) -> list[Obj]:
        """Pods that are ready, not on their way out, and carry these labels."""
        return [
            pod
            for pod in self.all(POD)
            if selector.items() <= (pod["metadata"].get("labels") or {}).items() and is_ready(pod)
        ]

    def behind(self, service: str) -> list[Obj]:
        """The ready pods that a Service selects."""
        return self.ready(**(self.get(SERVICE, service)["spec"].get("selector") or {}))

    def serves(self, service: str) -> set[str]:
        """Images of the ready pods that a Service selects."""
        return {image_of_pod(pod) for pod in self.behind(service)}

    def weights(self, name: str = "vs", route: int = 0) -> dict[str, int]:
        """Weights by host of one route of a VirtualService."""
        destinations = self.get(VIRTUAL_SERVICE, name)["spec"]["http"][route]["route"]
        return {each["destination"]["host"]: each.get("weight", 0) for each in destinations}

    def runs(self) -> dict[str, str]:
        """AnalysisRuns and their phases, by name."""
        return {name_of(run): (run.get("status") or {}).get("phase", "") for run in self.all(ANALYSIS_RUN)}

    def hash(self, image: str) -> str:
        value: str = self.replica_set(image)["metadata"]["labels"][labels.POD_TEMPLATE_HASH]
        return value

    async def events(self, name: str = "r") -> list[tuple[str, str]]:
        """(reason, message) of the Events about an object, oldest first. Waits until the controller has posted them."""
        await asyncio.sleep(10)
        about = [event for event in self.all(EVENT) if event["involvedObject"]["name"] == name]
        return [(event["reason"], event["message"]) for event in about]

    def requests(self) -> Counter[tuple[str, str]]:
        """What the controller asked of the API server, by verb and resource."""
        return Counter((call.verb, call.resource.plural) for call in self.line.calls)

    def now(self) -> datetime:
        """The time by the cluster's clock."""
        return self._clock()

    def whenever(self, look: Callable[[], None]) -> None:
        """Look after every write from now on. Where the cluster is a real one, what is seen of one kind is never older
        than what was seen of it before; of two kinds it may be: a rule that links them belongs to a `Guard`.
        """
        self.server.store.listeners.append(look)

    # ── waiting ──

    async def until(self, holds: Callable[[], T], limit: float = 120.0) -> T:
        """Wait for writes until something holds; an AssertionError when it does not within `limit` virtual seconds."""
        try:
            async with asyncio.timeout(limit):
                while not (found := holds()):
                    self._changed.clear()
                    if self._task is not None and self._task.done():
                        await self._task
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(self._report(limit)) from None

    async def reaches(self, phase: str, message: str = "", *, name: str = "r", limit: float = 120.0) -> None:
        """Wait for a phase, with this text in its message."""

        def holds() -> bool:
            now = rollout_phase(self.rollout(name))
            return now.phase == phase and message in now.message

        await self.until(holds, limit)

    async def reaches_step(self, index: int, *, name: str = "r", limit: float = 120.0) -> None:
        """Wait until the step with this index is the current one."""
        await self.until(lambda: self.status(name).get("currentStepIndex") == index, limit)

    async def passes(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def _report(self, limit: float) -> str:
        lines = [f"not within {limit:g} virtual seconds"]
        lines += [f"{name_of(obj)}: {rollout_phase(obj)} {obj.get('status')}" for obj in self.all(ROLLOUT)]
        lines += [f"{name_of(rs)}: {rs['spec']['replicas']} {rs.get('status')}" for rs in self.all(REPLICA_SET)]
        lines += [f"{name_of(run)}: {run.get('status')}" for run in self.all(ANALYSIS_RUN)]
        return "\n".join(lines)


def image_of(workload: Obj) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def image_of_pod(pod: Obj) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def is_ready(pod: Obj) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
