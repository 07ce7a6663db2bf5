"""The parts of kubernetes_asyncio that are used here: how to read configurations, renew credentials and connect.

This is the only module that knows that library, and it loads only what it uses of it: `kubernetes_asyncio` imports its
~800 generated models (38 MB, a third of a second) as soon as it is named, and none of them is wanted here.
"""

import importlib.util
import os
import sys
import types
from dataclasses import dataclass
from functools import cache
from typing import Any

from rollouts.kube.access import AccessError


@dataclass(frozen=True, slots=True)
class Library:
    """Its modules, which have no types."""

    configuration: Any
    rest: Any
    kube_config: Any
    incluster_config: Any


@cache
def library() -> Library:
    """The modules of kubernetes_asyncio that are used here, loaded without its generated models."""
    spec = importlib.util.find_spec("kubernetes_asyncio")
    if spec is None or not spec.submodule_search_locations:
        raise AccessError("the Python package kubernetes-asyncio is not installed")
    stand_in = "kubernetes_asyncio" not in sys.modules
    if stand_in:
        # Stand-ins whose own __init__ never runs: the submodules below find each other through them.
        package, client = types.ModuleType("kubernetes_asyncio"), types.ModuleType("kubernetes_asyncio.client")
        package.__path__ = list(spec.submodule_search_locations)
        client.__path__ = [os.path.join(root, "client") for root in package.__path__]
        sys.modules |= {package.__name__: package, client.__name__: client}
    try:
        from kubernetes_asyncio.client import configuration, rest

        if stand_in:
            client.__dict__.update(Configuration=configuration.Configuration, ApiClient=object)
        from kubernetes_asyncio.config import incluster_config, kube_config

        return Library(configuration, rest, kube_config, incluster_config)
    finally:
        if stand_in:  # whoever imports the library elsewhere gets it whole
            for name in [name for name in sys.modules if name.split(".")[0] == "kubernetes_asyncio"]:
                del sys.modules[name]
