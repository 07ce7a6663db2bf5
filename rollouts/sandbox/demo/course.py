"""The course of the demo: a Deployment becomes a Rollout, then three releases meet real users."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

from rollouts.kube.errors import NotFound
from rollouts.kube.refs import ANALYSIS_RUN, DEPLOYMENT, POD, ROLLOUT, Obj
from rollouts.sandbox.demo.environment import Environment
from rollouts.sandbox.demo.frame import frame, seen_by_users
from rollouts.sandbox.demo.releases import (
    FIRST,
    RELEASES,
    Release,
    Verdict,
    as_expected,
    patch,
    reason_of,
    verdict_on,
)
from rollouts.sandbox.demo.screen import Outcome, Screen
from rollouts.sandbox.manifests import create, delete, manifest
from rollouts.sandbox.stats import Snapshot, Totals, is_error

NAMESPACE, NAME = "default", "api"
PATIENCE = 90.0
"""Seconds that a release, or anything else the demo waits for, may take."""

_GLANCE = 0.2
_SETTLED = 1.5
"""Seconds of traffic that must be served by the stable version alone before a release counts as over."""


class Stuck(RuntimeError):
    """Something the demo waits for did not come; the message says what."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """What was counted when."""

    time: float
    seen: Snapshot


class Course:
    """Plays the demo on an environment. `outcomes` grows release by release."""

    def __init__(self, environment: Environment, screen: Screen) -> None:
        self.outcomes: list[Outcome] = []
        self._env = environment
        self._router = environment.router
        self._wire = environment.wire
        self._screen = screen
        self._recent: list[_Moment] = []
        self._stable = FIRST

    async def play(self) -> bool:
        """The whole course; whether everything went as it should. Raises Stuck or ControllerFailed."""
        await self._deploy()
        await self._adopt()
        for release in RELEASES:
            await self._release(release)
        return all(outcome.expected for outcome in self.outcomes)

    async def _deploy(self) -> None:
        """The Deployment as it ran before, and users on it."""
        route = self._router.route()
        kinds = "".join(f", its {obj['kind']}" for obj in route)
        self._screen.say(f"apply: Deployment api, its Services{kinds} and two AnalysisTemplates")
        around = [*manifest("api-services"), *route, *self._env.localized(manifest("api-analysis"))]
        await create(self._wire, [*around, *self._router.deployment()])
        await self._until("the Deployment's pods are available", self._deployment_available)
        await self._env.users.start()
        await self._until("users are served", self._served_by_stable)

    async def _adopt(self) -> None:
        """The same manifest as a Rollout; the Deployment goes once the Rollout's pods have its traffic."""
        self._screen.say("apply: the same manifest as a Rollout, with a canary strategy")
        since = self._moment()
        await create(self._wire, self._router.rollout())
        verdict, seconds = await self._verdict(since)
        await delete(self._wire, self._router.deployment()[0])
        await self._until("the Deployment's pods are gone", self._only_rollout_pods)
        await self._until("users are served by the Rollout", self._served_by_stable)
        await self._conclude(FIRST, verdict, seconds, since)

    async def _release(self, release: Release) -> None:
        self._screen.say(f"release {release.version}: {release.title}")
        since = self._moment()
        await self._wire.patch(ROLLOUT, NAMESPACE, NAME, patch(release))
        verdict, seconds = await self._verdict(since)
        if verdict is Verdict.PROMOTED:
            self._stable = release
        await self._until("traffic is on the stable version alone", self._served_by_stable)
        await self._conclude(release, verdict, seconds, since)

    async def _conclude(self, release: Release, verdict: Verdict, seconds: float, since: _Moment) -> None:
        reason = reason_of(await self._show())
        seen = self._env.users.snapshot().since(since.seen)
        others = seen.total.errors - seen.of(release.version).errors
        harmless = others == 0 and (verdict is not Verdict.PROMOTED or seen.total.errors == 0)
        outcome = Outcome(
            release=release,
            verdict=verdict,
            reason=reason if harmless else f"{_errors(seen.total)}, {others} of them not its own. {reason}",
            seconds=seconds,
            requests=seen.total.requests,
            errors=seen.total.errors,
            by_release=seen.of(release.version).requests,
            expected=harmless and as_expected(release, verdict, reason),
        )
        self.outcomes.append(outcome)
        self._screen.say(f"  {release.version} {verdict} after {seconds:.1f} s {f'({reason})' if reason else ''}")

    async def _verdict(self, since: _Moment) -> tuple[Verdict, float]:
        """Wait for what becomes of the present template; seconds count from `since`."""
        while (passed := monotonic() - since.time) < PATIENCE:
            rollout = await self._show()
            if verdict := verdict_on(rollout):
                return verdict, monotonic() - since.time
            await asyncio.sleep(_GLANCE)
        return Verdict.TIMED_OUT, passed

    async def _until(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        deadline = monotonic() + PATIENCE
        while not await holds():
            if monotonic() > deadline:
                raise Stuck(f"after {PATIENCE:.0f} s it still does not hold that {what}")
            await self._show()
            await asyncio.sleep(_GLANCE)

    # ── looking ────────────────────────────────────────────────────────────

    def _moment(self) -> _Moment:
        return _Moment(monotonic(), self._env.users.snapshot())

    async def _rollout(self) -> Obj:
        return await self._wire.get(ROLLOUT, NAMESPACE, NAME)

    async def _show(self) -> Obj:
        """Show how things stand; the Rollout as it is now, {} before there is one."""
        self._env.controller.check()
        try:
            rollout = await self._rollout()
        except NotFound:
            return {}
        weight = await self._weight(rollout)
        runs = await self._wire.list(ANALYSIS_RUN, NAMESPACE)
        last = self._last_second()
        self._screen.show(
            frame(rollout, weight, runs.items),
            seen_by_users(self._env.users.snapshot().since(last.seen).total, monotonic() - last.time),
        )
        return rollout

    async def _weight(self, rollout: Obj) -> int:
        """The canary's share in percent, as the object says that the router reads."""
        resource, name = self._router.object
        try:
            found = await self._wire.get(resource, NAMESPACE, name)
        except NotFound:  # a canary Ingress is not there from the beginning
            found = None
        return self._router.share(rollout, found)

    def _last_second(self) -> _Moment:
        """What had been counted about a second ago."""
        self._recent.append(self._moment())
        while len(self._recent) > 2 and self._recent[1].time < monotonic() - 1.0:
            self._recent.pop(0)
        return self._recent[0]

    async def _deployment_available(self) -> bool:
        deployment = await self._wire.get(DEPLOYMENT, NAMESPACE, NAME)
        available: int = (deployment.get("status") or {}).get("availableReplicas", 0)
        return available == int(deployment["spec"]["replicas"])

    async def _only_rollout_pods(self) -> bool:
        wanted = int((await self._rollout())["spec"]["replicas"])
        return len((await self._wire.list(POD, NAMESPACE)).items) == wanted

    async def _served_by_stable(self) -> bool:
        """Watch the users for a moment: all are answered by the stable version, and without errors."""
        if await self._weight(await self._show()) != 0:
            return False
        before = self._env.users.snapshot()
        await asyncio.sleep(_SETTLED)
        seen = self._env.users.snapshot().since(before)
        return set(seen.versions) == {self._stable.version} and seen.total.errors == 0


def _errors(total: Totals) -> str:
    """How many errors users saw, and which: `3 errors (2 x 502, 1 x no answer)`."""
    kinds = [f"{number} x {status or 'no answer'}" for status, number in total.statuses.items() if is_error(status)]
    return f"{total.errors} errors ({', '.join(kinds)})"
