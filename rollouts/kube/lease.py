"""One leader: a Lease that names its holder, renewed while it lasts, in the record format of Kubernetes' own clients.

Two controllers with the same lease name exclude each other whatever they are written in, so an old one can be replaced
by a new one without both acting at once.

* Somebody else's lease counts as held until it has not changed for its own duration, measured here, since clocks of two
  machines need not agree.
* The leader renews every `retry_period`; when it has not succeeded for `renew_deadline`, it is leader no longer and
  stops its work, before anybody else may take over (`renew_deadline` < `duration`).
* A leader that ends in order gives the lease back, so that its successor waits for two seconds and not for fifteen.
  (Argo Rollouts does not.)
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from rollouts.kube.clock import Clock, micro_time
from rollouts.kube.errors import ApiError, NotFound
from rollouts.kube.refs import LEASE, Obj
from rollouts.kube.wire import Wire

_JITTER = 1.2

log = structlog.get_logger(__name__)


class LeadershipLost(Exception):
    """The lease could not be renewed in time, or somebody else holds it now."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The times of an election, in seconds."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    def fault(self) -> str:
        """What is wrong with these times; "" when nothing is."""
        if self.duration <= self.renew_deadline:
            return "the lease duration must be longer than the renew deadline"
        if self.renew_deadline <= _JITTER * self.retry_period:
            return f"the renew deadline must be longer than {_JITTER} times the retry period"
        return "" if self.duration >= 1 and self.retry_period > 0 else "the lease's times must be positive"


class Lease:
    """A candidate for one lease."""

    def __init__(
        self,
        wire: Wire,
        now: Clock,
        *,
        namespace: str,
        name: str,
        identity: str,
        terms: Terms = Terms(),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.leading = False
        self.holder = ""
        """Who held the lease when it was last looked at; "" for nobody."""
        self._wire = wire
        self._now = now
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._terms = terms
        self._jitter = jitter
        self._seen: Obj | None = None
        self._changed = 0.0  # loop time at which the lease was first seen as it is

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for leadership, do the work while it lasts, give the lease back.

        Returns when the work is done. Raises LeadershipLost when the lease is lost, having cancelled the work and seen
        it end; whatever the work raises; CancelledError when cancelled, having given the lease back.
        """
        await self._acquire()
        working = asyncio.ensure_future(work())
        renewing = asyncio.create_task(self._renew(), name="lease renewal")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _ended(working)
            await _ended(renewing)
            if not renewing.cancelled():
                self.leading = False
            await self._release()
        if not renewing.cancelled():
            renewing.result()
        working.result()

    async def _acquire(self) -> None:
        announced = ""
        while True:
            try:
                async with asyncio.timeout(self._terms.renew_deadline):
                    if await self._try():
                        break
            except (ApiError, TimeoutError) as error:
                log.warning("the lease could not be read or written", lease=self._name, why=str(error) or "no answer")
            if self.holder not in ("", announced, self._identity):
                announced = self.holder
                log.info("waiting for leadership", lease=self._name, holder=announced)
            await asyncio.sleep(self._terms.retry_period * (1 + _JITTER * self._jitter()))
        self.leading = True
        log.info("leading", lease=self._name, identity=self._identity)

    async def _renew(self) -> None:
        """Renew for as long as that succeeds; raises LeadershipLost."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(min(self._terms.retry_period, renewed + self._terms.renew_deadline - loop.time()))
            why = ""
            try:
                async with asyncio.timeout_at(renewed + self._terms.renew_deadline):
                    if not await self._try(renewing=True):
                        raise LeadershipLost(f"{self.holder or 'somebody else'} holds the lease {self._name}")
                    renewed = loop.time()
            except (ApiError, TimeoutError) as error:
                why = str(error) or "no answer"
                log.warning("the lease could not be renewed", lease=self._name, why=why)
            if loop.time() >= renewed + self._terms.renew_deadline:
                raise LeadershipLost(f"the lease {self._name} could not be renewed in time: {why}")

    async def _try(self, *, renewing: bool = False) -> bool:
        """Take the lease if it is free, run out or ours (`renewing`: only if it is no one else's); whether it is."""
        try:
            lease = await self._wire.get(LEASE, self._namespace, self._name)
        except NotFound:
            self._saw(await self._wire.create(LEASE, self._namespace, self._record(None)))
            return True
        self._saw(lease)
        if self.holder not in ("", self._identity) and (renewing or self._still_valid(lease)):
            return False
        self._saw(await self._wire.replace(LEASE, self._namespace, self._name, self._record(lease)))
        return True

    def _saw(self, lease: Obj) -> None:
        if self._seen is None or lease.get("spec") != self._seen.get("spec"):
            self._changed = asyncio.get_running_loop().time()
        self._seen = lease
        self.holder = str((lease.get("spec") or {}).get("holderIdentity") or "")

    def _still_valid(self, lease: Obj) -> bool:
        duration = float(lease["spec"].get("leaseDurationSeconds") or self._terms.duration)
        return asyncio.get_running_loop().time() < self._changed + duration

    def _record(self, held: Obj | None) -> Obj:
        """The lease with us as its holder; on top of `held` conditionally, so that of two who try one succeeds."""
        now = micro_time(self._now())
        before: Obj = (held or {}).get("spec") or {}
        ours = before.get("holderIdentity") == self._identity
        return {
            **(held or {"apiVersion": LEASE.api_version, "kind": LEASE.kind}),
            "metadata": (held or {}).get("metadata") or {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": round(self._terms.duration),
                "acquireTime": before.get("acquireTime") or now if ours else now,
                "renewTime": now,
                "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if ours or held is None else 1),
            },
        }

    async def _release(self) -> None:
        """Say that nobody holds the lease, if we still do. A failure only means that the successor waits longer."""
        if not self.leading:
            return
        self.leading = False
        try:
            async with asyncio.timeout(self._terms.retry_period):
                lease = await self._wire.get(LEASE, self._namespace, self._name)
                if lease["spec"].get("holderIdentity") == self._identity:
                    freed = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": micro_time(self._now())}
                    lease = {**lease, "spec": {**lease["spec"], **freed}}
                    await self._wire.replace(LEASE, self._namespace, self._name, lease)
        except (ApiError, TimeoutError) as error:
            log.warning("the lease could not be given back", lease=self._name, why=str(error) or "no answer")


async def _ended(task: "asyncio.Future[None]") -> None:
    """See a task end, cancelling it if it has not. Its result or exception stays in it."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # seen: asyncio need not complain that nobody looked
