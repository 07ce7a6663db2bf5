"""The machine's kubectl, and the plugin, on a real control plane."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_LONGEST = 120.0


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl with a kubeconfig, and with caches of its own in `folder`."""

    kubeconfig: Path
    folder: Path
    namespace: str = ""

    def run(self, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """One call, however it ends. `given` goes to its standard input."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.folder / "cache"), "PATH": path}
        return subprocess.run(
            ["kubectl", *self._flags(words), *words],
            input=given,
            env=os.environ | own | {"HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )

    def __call__(self, *words: str, given: str = "") -> str:
        """One call that has to succeed; what it printed."""
        answer = self.run(*words, given=given)
        assert answer.returncode == 0, f"kubectl {' '.join(words)}: {answer.stderr or answer.stdout}"
        return answer.stdout

    def _flags(self, words: tuple[str, ...]) -> list[str]:
        plugin = words[:2] == ("argo", "rollouts")  # whose flags come after its name
        return [] if plugin or not self.namespace else ["-n", self.namespace]
