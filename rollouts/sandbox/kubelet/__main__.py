"""`python -m rollouts.sandbox.kubelet`: the sandbox's kubelet, and its scheduler, on an API server of somebody else."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

import uvloop

from rollouts import __version__
from rollouts.kube.access import Access, AccessError
from rollouts.kube.http import connect
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.kubelet.kubelet import Timing

READY = "the kubelet runs"
"""What it prints once pods come to life."""


def main(argv: Sequence[str]) -> int:
    """Run until SIGINT or SIGTERM; the exit code."""
    parser = argparse.ArgumentParser("python -m rollouts.sandbox.kubelet", description=__doc__, allow_abbrev=False)
    parser.add_argument("--kubeconfig", default="", help="of the API server whose pods are to live")
    parser.add_argument("--start-delay", type=float, default=0.1, help="seconds until a pod is ready")
    parser.add_argument("--stop-delay", type=float, default=0.2, help="seconds until a pod has ended")
    parser.add_argument(
        "--told-from", type=float, default=0.0, help="seconds from which on a start is told of before it is over"
    )
    parser.add_argument("--serve", action="store_true", help="pods answer HTTP, at addresses on loopback")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(parser.parse_args(argv)))
        except AccessError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    pods = HttpPods() if options.serve else None
    access = Access(kubeconfig=options.kubeconfig)
    try:
        async with (
            await connect(access, user_agent=f"rollouts-kubelet/{__version__}") as wire,
            Cluster(
                wire=wire,
                controllers=(),
                crds=(),
                runtime=pods,
                timing=Timing(options.start_delay, options.stop_delay, options.told_from),
            ),
        ):
            print(READY, flush=True)
            await stop.wait()
    finally:
        if pods is not None:
            await pods.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
