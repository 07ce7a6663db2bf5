"""Flags and environment of the controller, read once into a frozen value.

Names, defaults and meanings are Argo Rollouts', so that its Deployment manifest starts this controller unchanged.
A flag that nobody knows ends the program (exit code 1), and so does one whose feature is not there yet: both by name.
Four defaults are ours, on purpose:

* `--qps` and `--burst` limit nothing unless they are set: the API server's priority and fairness shares out better
  than a fixed number does.
* `--analysis-threads` limits nothing either unless it is set: what those threads do is wait for answers.
* ROLLOUT_VERIFY_RETRY_INTERVAL is taken at its word (Argo Rollouts ignores every valid value by an inverted check).
* A number or duration that cannot be read is refused, never replaced by a default.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

from analysis.schema import parse_duration
from rollouts import __version__
from rollouts.kube.access import SERVICE_ACCOUNT, Access
from rollouts.kube.lease import Terms
from rollouts.settings.flags import FLAGS, FlagError, read_flags, usage

PROGRAM = "rollouts controller"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the controller was told at its start. Times are seconds."""

    access: Access = field(default_factory=Access)
    controller_namespace: str = "argo-rollouts"
    """Where the lease, the ConfigMap and the Secrets of the controller itself live."""
    instance_id: str = ""
    namespaced: bool = False
    log_level: str = "info"
    log_format: str = "text"
    metrics_port: int = 8090
    healthz_port: int = 8080
    rollout_threads: int = 10
    experiment_threads: int = 10
    analysis_threads: int = 0
    """AnalysisRuns worked on at the same time; 0: all that are due, for what they do is wait for answers."""
    service_threads: int = 10
    ephemeral_metadata_threads: int = 10
    istio_api_version: str = "v1alpha3"
    traffic_split_api_version: str = "v1alpha1"
    traefik_api_group: str = "traefik.io"
    traefik_api_version: str = "traefik.io/v1alpha1"
    ambassador_api_version: str = "getambassador.io/v2"
    appmesh_crd_version: str = "v1beta2"
    metric_egress_allowed: tuple[str, ...] = ()
    """Networks that metrics may be asked for from, although they are link-local or hold a cloud's metadata."""
    leader_elect: bool = True
    terms: Terms = field(default_factory=Terms)
    identity: str = ""
    aws_verify_target_group: bool = False
    alb_tag_key_resource_id: str = "ingress.k8s.aws/resource"
    target_group_binding_api_version: str = "elbv2.k8s.aws/v1beta1"
    verify_retry_interval: float = 10.0
    """Between two questions of what traffic really does."""
    job_namespace: str = ""
    """Where Jobs of analysis run; "": beside their AnalysisRun."""
    job_kubeconfig: str = ""
    """Of the cluster that they run in, or `in-cluster`; "": the controller's."""
    version: bool = False
    """Asked for the version only."""
    help: bool = False
    """Asked for help only."""

    @property
    def lease_name(self) -> str:
        """The name that Argo Rollouts uses too, so that the two exclude each other."""
        return "argo-rollouts-controller-lock" + (f"-{self.instance_id}" if self.instance_id else "")


class SettingsError(Exception):
    """A flag or variable that cannot be used. The message names it and says what to do."""


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read flags and environment. Raises SettingsError."""
    try:
        given = read_flags(argv)
    except FlagError as error:
        raise SettingsError(str(error)) from error
    values = {flag.name: given.get(flag.name, flag.default) for flag in FLAGS}
    _refuse_what_is_not_there(given)
    _refuse_what_is_no_network(values["metric-egress-allowed"])
    terms = Terms(
        values["leader-election-lease-duration"],
        values["leader-election-renew-deadline"],
        values["leader-election-retry-period"],
    )
    if values["leader-elect"] and terms.fault():
        raise SettingsError(f"--leader-election-*: {terms.fault()}")
    return Settings(
        access=_access(values, given),
        analysis_threads=given.get("analysis-threads", 0),
        controller_namespace=_controller_namespace(environ),
        terms=terms,
        identity=f"{socket.gethostname()}_{uuid4()}",
        verify_retry_interval=_seconds(environ, "ROLLOUT_VERIFY_RETRY_INTERVAL", 10.0),
        job_namespace=environ.get("ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE", ""),
        job_kubeconfig=environ.get("ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG", ""),
        **{flag.field: values[flag.name] for flag in FLAGS if flag.field in _OWN},
    )


def parse_or_exit(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """`parse` for a program: prints help or the version (exit code 0), or what is wrong (exit code 1)."""
    try:
        settings = parse(argv, environ)
    except SettingsError as error:
        print(f"Error: {error}\nSee `{PROGRAM} --help`.", file=sys.stderr)
        raise SystemExit(1) from None
    if settings.help:
        print(help_text())
        raise SystemExit(0)
    if settings.version:
        print(f"{PROGRAM} v{__version__}")
        raise SystemExit(0)
    return settings


def help_text() -> str:
    return usage(PROGRAM, "Runs the controller: watches Rollouts and moves their releases.")


_OWN = frozenset(each.name for each in fields(Settings)) - {
    *("access", "analysis_threads", "controller_namespace", "terms", "identity")
}


def _access(values: Mapping[str, Any], given: Mapping[str, Any]) -> Access:
    names = {each.name for each in fields(Access)}
    found = {flag.field: values[flag.name] for flag in FLAGS if flag.field in names}
    # A default that Argo Rollouts documents is no wish of the user: only a flag that was given limits requests.
    qps = given.get("qps", found["qps"] if "burst" in given else 0.0)
    return Access(**{**found, "qps": qps, "burst": given.get("burst", 0)})


def _refuse_what_is_not_there(given: Mapping[str, Any]) -> None:
    for flag in FLAGS:
        if flag.refused and given.get(flag.name, flag.default) not in (flag.default, False, "", ()):
            raise SettingsError(f"--{flag.name}: {flag.refused}; leave the flag out")


def _refuse_what_is_no_network(networks: Sequence[str]) -> None:
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError as error:
            raise SettingsError(
                f"--metric-egress-allowed={network}: {error}; write 10.0.0.0/8 or one address"
            ) from error


def _controller_namespace(environ: Mapping[str, str]) -> str:
    path = Path(SERVICE_ACCOUNT, "namespace")
    return environ.get("POD_NAMESPACE") or (path.read_text().strip() if path.exists() else "") or "argo-rollouts"


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    """A variable that holds seconds, as a number or a Go duration."""
    text = environ.get(name, "")
    if not text:
        return default
    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else parse_duration(text).total_seconds()
    except ValueError as error:
        raise SettingsError(f"{name}={text}: {error}; give seconds, like 10, or a duration, like 10s") from error
    if seconds <= 0:
        raise SettingsError(f"{name}={text}: must be more than 0 seconds")
    return seconds
