"""The demo: a good release goes out in steps, two bad ones are taken back by analysis, before real users."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from rollouts.sandbox.cluster import causes
from rollouts.sandbox.demo.course import Course, Stuck
from rollouts.sandbox.demo.environment import Environment, running
from rollouts.sandbox.demo.process import ControllerFailed
from rollouts.sandbox.demo.routers import ROUTERS, Router
from rollouts.sandbox.demo.screen import Screen, screen_for
from rollouts.sandbox.prometheus import PrometheusFailed
from rollouts.sandbox.prometheus_binary import PrometheusMissing

HELD, FAILED, INTERRUPTED = 0, 1, 130
"""Exit codes."""

ROUTER_HELP = (
    "what users come through: Istio, the Gateway API, ingress-nginx, or a plain Service (default: %(default)s)"
)


def run(argv: Sequence[str] = ()) -> int:
    """The command `rollouts demo`: 0 when every release got the verdict it deserves and traffic is back on stable."""
    parser = argparse.ArgumentParser(prog="rollouts demo", description="A canary that protects someone, end to end.")
    parser.add_argument("--keep", action="store_true", help="leave everything up afterwards, for kubectl")
    parser.add_argument("--router", choices=tuple(ROUTERS), default=next(iter(ROUTERS)), help=ROUTER_HELP)
    parser.add_argument("--plain", action="store_true", help="plain lines on a terminal too")
    options = parser.parse_args(argv)
    try:
        screen = Screen() if options.plain else screen_for()
        return uvloop.run(_interruptible(screen, ROUTERS[options.router], options.keep))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


async def _interruptible(screen: Screen, router: Router, keep: bool) -> int:
    """SIGTERM ends the demo as Ctrl-C does: everything that was started is stopped."""
    task = asyncio.current_task()
    assert task is not None, "a coroutine that runs is a task's"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await play(screen, router, keep=keep)


async def play(screen: Screen, router: Router, *, keep: bool = False) -> int:
    """The whole demo through one router; with `keep` everything stays up until interrupted. Returns the exit code."""
    held = False
    try:
        with screen:
            screen.say("start: a cluster in this process, Prometheus, the controller")
            async with running(router) as env:
                course = Course(env, screen)
                held = await course.play()
                screen.summary(course.outcomes)
                if keep:
                    await _stay(env, screen)
    except* (Stuck, ControllerFailed, PrometheusFailed, PrometheusMissing) as group:
        held = False
        for error in causes(group):
            screen.console.print(f"the demo did not hold: {error}", markup=False)
    return HELD if held else FAILED


async def _stay(env: Environment, screen: Screen) -> None:
    """Leave everything up, users included, until somebody interrupts."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    for line in (
        "",
        "It stays up until Ctrl-C. In another terminal:",
        f"  export KUBECONFIG={env.kubeconfig} PATH={Path(sys.executable).parent}:$PATH",
        "  kubectl get rollouts,pods",
        "  kubectl argo rollouts get rollout api --watch",
        f"users come in at {env.gateway.url} (Host: {env.router.host}); Prometheus: {env.prometheus.url}",
    ):
        screen.console.print(line, markup=False)
    await interrupted.wait()
