"""The demo: a good release goes out in steps, two bad ones are taken back by analysis, before real users."""

import argparse
import asyncio
import signal
from collections.abc import Sequence

import uvloop

from rollouts.sandbox.demo.course import Course, Stuck
from rollouts.sandbox.demo.environment import Environment, running
from rollouts.sandbox.demo.process import ControllerFailed
from rollouts.sandbox.demo.screen import Screen, screen_for
from rollouts.sandbox.prometheus import PrometheusFailed
from rollouts.sandbox.prometheus_binary import PrometheusMissing

HELD, FAILED, INTERRUPTED = 0, 1, 130
"""Exit codes."""


def run(argv: Sequence[str] = ()) -> int:
    """The command `rollouts demo`: 0 when every release got the verdict it deserves and traffic is back on stable."""
    parser = argparse.ArgumentParser(prog="rollouts demo", description="A canary that protects someone, end to end.")
    parser.add_argument("--keep", action="store_true", help="leave everything up afterwards, for kubectl")
    parser.add_argument("--plain", action="store_true", help="plain lines on a terminal too")
    options = parser.parse_args(argv)
    try:
        return uvloop.run(play(Screen() if options.plain else screen_for(), keep=options.keep))
    except KeyboardInterrupt:
        return INTERRUPTED


async def play(screen: Screen, *, keep: bool = False) -> int:
    """The whole demo on a screen; with `keep` everything then stays up until interrupted. Returns the exit code."""
    try:
        with screen:
            screen.say("start: a cluster in this process, Prometheus, the controller")
            async with running() as env:
                course = Course(env, screen)
                held = await course.play()
                screen.summary(course.outcomes)
                if keep:
                    await _stay(env, screen)
                return HELD if held else FAILED
    except (Stuck, ControllerFailed, PrometheusFailed, PrometheusMissing) as error:
        screen.console.print(f"the demo did not hold: {error}", markup=False)
        return FAILED


async def _stay(env: Environment, screen: Screen) -> None:
    """Leave everything up, users included, until somebody interrupts."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    for line in (
        "",
        "It stays up until Ctrl-C. In another terminal:",
        f"  export KUBECONFIG={env.kubeconfig}",
        "  kubectl get rollouts,pods",
        "  kubectl argo rollouts get rollout api --watch",
        f"users come in at {env.gateway.url} (Host: api.example.com); Prometheus: {env.prometheus.url}",
    ):
        screen.console.print(line, markup=False)
    await interrupted.wait()
