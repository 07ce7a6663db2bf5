"""One leader: candidates against the sandbox, in virtual time."""

import asyncio
from typing import Any

import pytest

from rollouts.kube.errors import ApiError, Unreachable
from rollouts.kube.lease import LeadershipLost, Lease, Terms
from rollouts.kube.refs import LEASE, Obj, Resource
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer
from tests.kube.scripted import loop_time, stopped, until

pytestmark = pytest.mark.virtual

NAME = "argo-rollouts-controller-lock"


class Cable:
    """A Wire that can be cut."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.cut = False

    def __getattr__(self, verb: str) -> Any:
        if self.cut:
            raise Unreachable("no route to host")
        return getattr(self._server, verb)


class Candidate:
    """One controller: notes when it works, and works until told to end."""

    def __init__(self, server: ApiServer, identity: str) -> None:
        self.cable: Any = Cable(server)
        self.lease = Lease(self.cable, clock.now, namespace="default", name=NAME, identity=identity, jitter=lambda: 0.0)
        self.working = False
        self.done = asyncio.Event()
        self.task = asyncio.create_task(self.lease.run(self.work))

    async def work(self) -> None:
        self.working = True
        try:
            await self.done.wait()
        finally:
            self.working = False


async def lease(server: ApiServer) -> Obj:
    spec: Obj = (await server.get(LEASE, "default", NAME))["spec"]
    return spec


async def test_the_record_is_that_of_kubernetes_own_clients() -> None:
    server = ApiServer(clock.now)
    one = Candidate(server, "host_1")
    await until(lambda: one.working)
    assert await lease(server) == {
        "holderIdentity": "host_1",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }
    await asyncio.sleep(4.1)
    assert (await lease(server))["renewTime"] == "2026-01-01T00:00:04.000000Z"
    assert (await lease(server))["acquireTime"] == "2026-01-01T00:00:00.000000Z"
    await stopped(one.task)


async def test_only_one_of_many_works_at_any_time() -> None:
    server = ApiServer(clock.now)
    candidates = [Candidate(server, f"host_{number}") for number in range(5)]
    for _ in range(600):
        await asyncio.sleep(0.1)
        assert sum(candidate.working for candidate in candidates) <= 1
    assert sum(candidate.working for candidate in candidates) == 1
    for candidate in candidates:
        await stopped(candidate.task)


async def test_a_leader_that_ends_in_order_gives_the_lease_back() -> None:
    server = ApiServer(clock.now)
    one = Candidate(server, "one")
    await until(lambda: one.working)
    two = Candidate(server, "two")
    await asyncio.sleep(5)
    assert not two.working
    one.done.set()
    await one.task
    assert (await lease(server))["holderIdentity"] == ""
    ended = loop_time()
    await until(lambda: two.working)
    assert loop_time() - ended <= 2.1
    assert (await lease(server))["leaseTransitions"] == 1
    await stopped(two.task)


async def test_a_cancelled_leader_gives_the_lease_back_too() -> None:
    server = ApiServer(clock.now)
    one = Candidate(server, "one")
    await until(lambda: one.working)
    await stopped(one.task)
    assert (await lease(server))["holderIdentity"] == ""
    assert not one.lease.leading


async def test_a_dead_leader_is_followed_once_its_lease_has_run_out() -> None:
    server = ApiServer(clock.now)
    record = {"holderIdentity": "dead", "leaseDurationSeconds": 20, "renewTime": "2020-01-01T00:00:00.000000Z"}
    body = {"metadata": {"name": NAME}, "spec": {**record, "leaseTransitions": 3}}
    await server.create(LEASE, "default", {**body, "apiVersion": LEASE.api_version, "kind": "Lease"})
    two = Candidate(server, "two")
    await asyncio.sleep(19.9)
    assert not two.working, "its own clock may be wrong: what counts is that nothing changed for its duration"
    await until(lambda: two.working)
    assert loop_time() < 23
    assert (await lease(server))["leaseTransitions"] == 4
    await stopped(two.task)


async def test_a_leader_that_cannot_renew_stops_before_another_may_start() -> None:
    server = ApiServer(clock.now)
    one = Candidate(server, "one")
    await until(lambda: one.working)
    two = Candidate(server, "two")
    cut = loop_time()
    one.cable.cut = True
    await until(lambda: not one.working)
    stopped_after = loop_time() - cut
    await until(lambda: two.working)
    assert stopped_after <= 10.1
    assert loop_time() - cut > stopped_after
    with pytest.raises(LeadershipLost, match="could not be renewed in time"):
        await one.task
    await stopped(two.task)


async def test_a_short_outage_changes_nothing() -> None:
    server = ApiServer(clock.now)
    one = Candidate(server, "one")
    await until(lambda: one.working)

    def outage(verb: str, resource: Resource, namespace: str, name: str, subresource: str) -> ApiError | None:
        return Unreachable("restarting")

    server.faults.append(outage)
    await asyncio.sleep(7)
    server.faults.clear()
    await asyncio.sleep(30)
    assert one.working
    await stopped(one.task)


async def test_a_leader_whose_lease_was_taken_stops_at_once_and_does_not_take_it_back() -> None:
    server = ApiServer(clock.now)
    one = Candidate(server, "one")
    await until(lambda: one.working)
    taken = await server.get(LEASE, "default", NAME)
    spec = {**taken["spec"], "holderIdentity": "somebody", "leaseDurationSeconds": 1}
    await server.replace(LEASE, "default", NAME, {**taken, "spec": spec})
    with pytest.raises(LeadershipLost, match="somebody holds the lease"):
        await one.task
    assert not one.working
    assert (await lease(server))["holderIdentity"] == "somebody"


async def test_what_the_work_raises_is_raised_after_the_lease_was_given_back() -> None:
    server = ApiServer(clock.now)

    async def broken() -> None:
        raise ValueError("a bug")

    candidate = Lease(server, clock.now, namespace="default", name=NAME, identity="one")
    with pytest.raises(ValueError, match="a bug"):
        await candidate.run(broken)
    assert (await lease(server))["holderIdentity"] == ""


@pytest.mark.parametrize(
    ("terms", "fault"),
    [
        (Terms(), ""),
        (Terms(10, 10, 2), "renew deadline"),
        (Terms(15, 2, 2), "retry period"),
        (Terms(15, 10, -1), "positive"),
    ],
)
async def test_times_that_could_not_work_are_found(terms: Terms, fault: str) -> None:
    assert fault in terms.fault()
    assert bool(fault) == bool(terms.fault())
