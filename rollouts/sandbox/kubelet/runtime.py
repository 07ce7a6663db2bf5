"""What really runs behind a pod: nothing by default, an HTTP server where the data plane supplies one."""

from typing import Protocol, TypeAlias

from rollouts.kube.refs import Obj

Address: TypeAlias = tuple[str, int]
"""Host and port at which a pod is served."""


class PodRuntime(Protocol):
    """Starts and stops what a pod serves. Called once per start of the pod's container, and once per stop."""

    async def start(self, pod: Obj) -> Address | None:
        """Serve this pod, ready to answer on return. The host becomes the pod's IP; None: there is no server.

        Raise OSError when it cannot be started; the kubelet shows that and tries again.
        """
        ...

    async def stop(self, pod: Obj) -> None:
        """Stop serving, after what is in flight has been answered. A pod that is not served is no error."""
        ...


class NoRuntime:
    """Pods that run in name only, as virtual time wants it."""

    async def start(self, pod: Obj) -> Address | None:
        return None

    async def stop(self, pod: Obj) -> None:
        return None
