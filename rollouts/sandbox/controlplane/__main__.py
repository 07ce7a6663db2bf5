"""`python -m rollouts.sandbox.controlplane MODULE CACHE`: see that the programs are there, and print where."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rollouts.sandbox.controlplane.binaries import ControlPlaneMissing, find_or_build, find_or_build_kubectl


def main(argv: Sequence[str]) -> int:
    """The console command; returns the exit code."""
    parser = argparse.ArgumentParser("python -m rollouts.sandbox.controlplane", description=__doc__, allow_abbrev=False)
    parser.add_argument("module", type=Path, help="folder of the Go module that pins the versions")
    parser.add_argument("cache", type=Path, help="folder to keep the binaries in")
    options = parser.parse_args(argv)
    module, cache = options.module.resolve(), options.cache.resolve()
    try:
        print(find_or_build(module, cache).api_server.parent)
        print(find_or_build_kubectl(module, cache))
    except ControlPlaneMissing as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
