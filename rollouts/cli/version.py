"""Which version of this program runs, and on what."""

import argparse
import platform
import sys
from importlib.metadata import version as installed


def version(args: argparse.Namespace) -> None:
    print(f"kubectl-argo-rollouts: v{installed('rollouts')}")
    if not args.short:
        print(f"  PythonVersion: {platform.python_version()}")
        print(f"  Platform: {sys.platform}/{platform.machine()}")
