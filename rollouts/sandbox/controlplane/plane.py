"""etcd, kube-apiserver and kube-controller-manager on loopback, as long as a block lasts.

    with control_plane(find_or_build(module, cache), folder) as plane:
        plane.kubeconfig        # an administrator's; every port is free, every file is in `folder`

There is no scheduler and no kubelet: `python -m rollouts.sandbox.kubelet` does for both.
"""

import base64
import json
import secrets
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rollouts.kube.refs import Obj
from rollouts.sandbox.controlplane.binaries import Binaries
from rollouts.sandbox.controlplane.keys import new_private_key
from rollouts.sandbox.controlplane.processes import Program, answers, free_ports
from rollouts.sandbox.kubeconfig import write

CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "disruption-controller",
    "clusterrole-aggregation-controller",
)
"""Those of kube-controller-manager that Rollouts have to do with."""

_READY_IN = 120.0
_CONTEXT = "control-plane"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane. `server` and `etcd` are URLs without a trailing slash; `token` is an administrator's.

    `audited`: a second administrator, whose requests are recorded ("": nobody's are). `programs`: the numbers of
    their processes.
    """

    server: str
    etcd: str
    token: str
    folder: Path
    audited: str = ""
    audited_token: str = field(default_factory=partial(secrets.token_hex, 16))
    programs: dict[str, int] = field(default_factory=dict)

    @property
    def authority(self) -> Path:
        """The certificate by which the API server is known."""
        return self.folder / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""
        return self.folder / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """One line of JSON for each request of who is audited."""
        return self.folder / "audit.log"

    @property
    def audited_kubeconfig(self) -> Path:
        """That of who is audited."""
        return self.folder / "audited.kubeconfig"

    def kubeconfig_of(self, token: str, namespace: str = "default") -> Obj:
        """A kubeconfig for whoever bears this token."""
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        cluster = {"server": self.server, "certificate-authority-data": authority}
        context = {"cluster": _CONTEXT, "user": _CONTEXT, "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": _CONTEXT, "cluster": cluster}],
            "users": [{"name": _CONTEXT, "user": {"token": token}}],
            "contexts": [{"name": _CONTEXT, "context": context}],
            "current-context": _CONTEXT,
        }


@contextmanager
def control_plane(
    binaries: Binaries, folder: Path, *, controllers: Collection[str] = CONTROLLERS, audited: str = ""
) -> Iterator[ControlPlane]:
    """Start the three, wait until they are ready, and end them with the block. Raises ProcessFailed.

    `folder` takes the data, the keys and what the programs say. `controllers`: those of kube-controller-manager to run;
    without any it is not started. `audited`: make an administrator of this name, and record what is asked under it.
    Nobody else is recorded: that would cost the API server more than answering them.
    """
    client, peer, secure, managed = free_ports(4)
    server, store = f"https://127.0.0.1:{secure}", f"http://127.0.0.1:{client}"
    plane = ControlPlane(server, store, secrets.token_hex(16), folder, audited)
    _write_files(plane)
    with ExitStack() as stack:

        def start(name: str, binary: Path, flags: list[str]) -> Program:
            program = Program(name, [binary, *flags], folder / f"{name}.log")
            stack.callback(program.stop)
            plane.programs[name] = program.process.pid
            return program

        etcd = start("etcd", binaries.etcd, _etcd_flags(plane, peer))
        etcd.wait(lambda: answers(f"{plane.etcd}/readyz"), _READY_IN)
        api_server = start("kube-apiserver", binaries.api_server, _api_server_flags(plane, secure))
        api_server.wait(lambda: answers(f"{plane.server}/readyz", plane.authority, plane.token), _READY_IN)
        write(plane.kubeconfig, plane.kubeconfig_of(plane.token))
        if plane.audited:
            write(plane.audited_kubeconfig, plane.kubeconfig_of(plane.audited_token))
        if controllers:
            flags = _manager_flags(plane, managed, controllers)
            manager = start("kube-controller-manager", binaries.controller_manager, flags)
            health = f"https://127.0.0.1:{managed}/healthz"
            manager.wait(lambda: answers(health, folder / "manager" / "kube-controller-manager.crt"), _READY_IN)
        yield plane


def _write_files(plane: ControlPlane) -> None:
    folder = plane.folder
    folder.mkdir(parents=True, exist_ok=True)
    tokens = [(plane.token, "admin")]
    if plane.audited:
        tokens.append((plane.audited_token, plane.audited))
    for name, text in (
        ("tokens.csv", "".join(f'{token},{user},{user},"system:masters"\n' for token, user in tokens)),
        ("accounts.key", new_private_key()),
        ("audit.yaml", json.dumps(_audit_policy(plane.audited))),
    ):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text)


def _audit_policy(user: str) -> Obj:
    """Record the answers to this user, and to nobody else."""
    theirs = {"level": "Metadata", "users": [user], "omitStages": ["RequestReceived"]}
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [theirs, {"level": "None"}]}


def _etcd_flags(plane: ControlPlane, peer: int) -> list[str]:
    beside = f"http://127.0.0.1:{peer}"
    return [
        f"--data-dir={plane.folder / 'etcd'}",
        f"--listen-client-urls={plane.etcd}",
        f"--advertise-client-urls={plane.etcd}",
        f"--listen-peer-urls={beside}",
        f"--initial-advertise-peer-urls={beside}",
        f"--initial-cluster=default={beside}",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]


def _api_server_flags(plane: ControlPlane, port: int) -> list[str]:
    folder = plane.folder
    flags = [
        f"--etcd-servers={plane.etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.key'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--disable-admission-plugins=ServiceAccount",  # pods need no token here, nor wait for an account
    ]
    if plane.audited:
        flags += [
            f"--audit-policy-file={folder / 'audit.yaml'}",
            f"--audit-log-path={plane.audit_log}",
            "--audit-log-maxsize=20000",
        ]
    return flags


def _manager_flags(plane: ControlPlane, port: int, controllers: Collection[str]) -> list[str]:
    return [
        f"--kubeconfig={plane.kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={plane.folder / 'manager'}",
        f"--controllers={','.join(controllers)}",
        "--leader-elect=false",
        f"--service-account-private-key-file={plane.folder / 'accounts.key'}",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--concurrent-gc-syncs=20",
    ]
