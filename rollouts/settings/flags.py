"""Pure. The controller's flags as a table, and how to read them in Go's manner."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from analysis.schema import parse_duration


class FlagError(ValueError):
    """A flag that is unknown, lacks its value, or has one that cannot be read."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. Its type is that of its default: bool (or None), int, float, str or tuple.

    A `duration` is a float of seconds that is written as a Go duration.
    """

    name: str
    default: Any
    group: str
    help: str
    field: str = ""
    """The attribute of Settings or Access that it sets; "": accepted, and nothing here depends on it."""
    duration: bool = False
    choices: tuple[str, ...] = ()
    refused: str = ""
    """Why any value but the default is refused; "": it is not."""
    aliases: tuple[str, ...] = ()


_WATCH, _WORK, _ELECTION, _TRAFFIC = "What to watch", "How to work", "Leader election", "Traffic routers"
_SERVE, _CLUSTER, _OTHER = "Logs, metrics, health", "The cluster and its API server", "Other"
_LATER = "not supported yet"
_ANY_CLASS = "accepted; every Ingress that a Rollout names is looked after, whatever its class"

FLAGS: tuple[Flag, ...] = (
    Flag("instance-id", "", _WATCH, "only Rollouts labelled with this controller instance id", "instance_id"),
    Flag("namespaced", False, _WATCH, "watch one namespace only, that of the client configuration", "namespaced"),
    Flag("namespace", "", _WATCH, "the namespace to use instead of the configuration's", "namespace", aliases=("n",)),
    Flag("controllers", (), _WATCH, "which controllers to run; none named: all", refused=_LATER),
    Flag("rollout-resync", 900, _WORK, "accepted; what has to be looked at later has a moment of its own"),
    Flag("rollout-threads", 10, _WORK, "Rollouts worked on at the same time", "rollout_threads"),
    Flag("experiment-threads", 10, _WORK, "Experiments worked on at the same time", "experiment_threads"),
    Flag("analysis-threads", 30, _WORK, "AnalysisRuns worked on at a time; not given: all that are due"),
    Flag("service-threads", 10, _WORK, "Services worked on at the same time", "service_threads"),
    Flag("ingress-threads", 10, _WORK, "accepted; an Ingress is written when its Rollout is worked on"),
    Flag(
        "ephemeral-metadata-threads",
        10,
        _WORK,
        "pods of one Rollout whose metadata is written at the same time",
        "ephemeral_metadata_threads",
    ),
    Flag(
        "ephemeral-metadata-update-pod-retries",
        3,
        _WORK,
        "accepted; a write that fails is tried again with its Rollout, for as long as it fails",
    ),
    Flag(
        "metric-egress-allowed",
        (),
        _WORK,
        "network, as 169.254.10.0/24, open to metrics though link-local or cloud metadata (repeatable)",
        "metric_egress_allowed",
    ),
    Flag("leader-elect", True, _ELECTION, "act only while holding the lease", "leader_elect"),
    Flag("leader-election-lease-duration", 15.0, _ELECTION, "how long a lease lasts unrenewed", duration=True),
    Flag("leader-election-renew-deadline", 10.0, _ELECTION, "how long a leader tries to renew", duration=True),
    Flag("leader-election-retry-period", 2.0, _ELECTION, "how long between two tries", duration=True),
    Flag("istio-api-version", "v1alpha3", _TRAFFIC, "version of networking.istio.io", "istio_api_version"),
    Flag("alb-ingress-classes", ("alb",), _TRAFFIC, _ANY_CLASS),
    Flag("nginx-ingress-classes", ("nginx",), _TRAFFIC, _ANY_CLASS),
    Flag(
        "ingress-api-version",
        "",
        _TRAFFIC,
        "no API server since 1.22 serves another than networking.k8s.io/v1",
        choices=("", "networking/v1", "networking.k8s.io/v1"),
    ),
    Flag(
        "alb-tag-key-resource-id",
        "ingress.k8s.aws/resource",
        _TRAFFIC,
        "tag that tells what a target group is for",
        "alb_tag_key_resource_id",
    ),
    Flag(
        "aws-target-group-binding-api-version",
        "elbv2.k8s.aws/v1beta1",
        _TRAFFIC,
        "group/version of TargetGroupBindings",
        "target_group_binding_api_version",
    ),
    Flag(
        "aws-verify-target-group",
        False,
        _TRAFFIC,
        "ask AWS whether its load balancers have followed",
        "aws_verify_target_group",
        aliases=("alb-verify-weight",),
    ),
    Flag(
        "ambassador-api-version", "getambassador.io/v2", _TRAFFIC, "group/version of Mappings", "ambassador_api_version"
    ),
    Flag(
        "traffic-split-api-version",
        "v1alpha1",
        _TRAFFIC,
        "version of split.smi-spec.io",
        "traffic_split_api_version",
        choices=("v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"),
    ),
    Flag("traefik-api-group", "traefik.io", _TRAFFIC, "group of TraefikServices", "traefik_api_group"),
    Flag("traefik-api-version", "traefik.io/v1alpha1", _TRAFFIC, "their version", "traefik_api_version"),
    Flag("appmesh-crd-version", "v1beta2", _TRAFFIC, "version of appmesh.k8s.aws", "appmesh_crd_version"),
    Flag(
        "loglevel",
        "info",
        _SERVE,
        "debug, info, warn or error; trace, warning, fatal and panic are taken too",
        "log_level",
        choices=("debug", "info", "warn", "error", "trace", "warning", "fatal", "panic"),
    ),
    Flag("logformat", "text", _SERVE, "text or json", "log_format", choices=("", "text", "json")),
    Flag("kloglevel", 0, _SERVE, "accepted; there is no such client library here", aliases=("v",)),
    Flag("metricsPort", 8090, _SERVE, "port of /metrics", "metrics_port", aliases=("metricsport",)),
    Flag("healthzPort", 8080, _SERVE, "port of /healthz and /readyz", "healthz_port"),
    Flag("enable-pprof-address", "", _SERVE, "address of Go's profiler", refused="there is no Go profiler here"),
    Flag("kubeconfig", "", _CLUSTER, "path of a kubeconfig file", "kubeconfig"),
    Flag("context", "", _CLUSTER, "context of the kubeconfig", "context"),
    Flag("cluster", "", _CLUSTER, "cluster of the kubeconfig", "cluster"),
    Flag("user", "", _CLUSTER, "user of the kubeconfig", "user"),
    Flag("server", "", _CLUSTER, "URL of the API server", "server", aliases=("s",)),
    Flag("tls-server-name", "", _CLUSTER, "name expected in the server's certificate", "tls_server_name"),
    Flag("insecure-skip-tls-verify", None, _CLUSTER, "trust any certificate", "insecure_skip_tls_verify"),
    Flag("certificate-authority", "", _CLUSTER, "file of trusted authorities", "certificate_authority"),
    Flag("client-certificate", "", _CLUSTER, "file of our certificate", "client_certificate"),
    Flag("client-key", "", _CLUSTER, "file of our certificate's key", "client_key"),
    Flag("token", "", _CLUSTER, "bearer token", "token"),
    Flag("username", "", _CLUSTER, "name for basic authentication", "username"),
    Flag("password", "", _CLUSTER, "password for basic authentication", "password"),
    Flag("as", "", _CLUSTER, "act as this user", "impersonate"),
    Flag("as-uid", "", _CLUSTER, "act as the user with this uid", "impersonate_uid"),
    Flag("as-group", (), _CLUSTER, "act as a member of this group (repeatable)", "impersonate_groups"),
    Flag("proxy-url", "", _CLUSTER, "proxy to the API server", "proxy_url"),
    Flag(
        "request-timeout",
        0.0,
        _CLUSTER,
        "how long a request may take; 0: 30 s, a list 120 s",
        "request_timeout",
        duration=True,
    ),
    Flag("disable-compression", False, _CLUSTER, "ask for uncompressed answers", "disable_compression"),
    Flag("qps", 40.0, _CLUSTER, "requests per second allowed; not given: no limit of our own", "qps"),
    Flag("burst", 80, _CLUSTER, "requests that may go ahead of --qps; not given: twice that", "burst"),
    Flag(
        "self-service-notification-enabled",
        False,
        _OTHER,
        "let namespaces bring their own notification configuration",
        refused=_LATER,
    ),
    Flag("version", False, _OTHER, "print the version and exit", "version"),
    Flag("help", False, _OTHER, "print this help and exit", "help", aliases=("h",)),
)

_BY_NAME: Mapping[str, Flag] = {name: flag for flag in FLAGS for name in (flag.name, *flag.aliases)}
_TRUE, _FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})


def read_flags(argv: Sequence[str]) -> dict[str, Any]:
    """The values of the flags that are given, by name: `--flag=value`, `--flag value`, `-flag`, `-fvalue` if it has a
    letter; a bool needs no value.

    A repeated list flag gathers (and replaces the default), any other flag's last value wins. Raises FlagError.
    """
    given: dict[str, Any] = {}
    rest = iter(argv)
    for word in rest:
        if not word.startswith("-") or word in ("-", "--"):
            raise FlagError(f"unexpected argument: {word}; only flags are accepted")
        name, has_value, text = word.lstrip("-").partition("=")
        flag = _BY_NAME.get(name)
        lettered = None if word.startswith("--") else _BY_NAME.get(name[:1])
        if flag is None and lettered is not None and not _is_bool(lettered):
            flag, has_value, text = lettered, "=", word[2:]
        if flag is None:
            raise FlagError(f"unknown flag: {'-' if len(name) == 1 else '--'}{name}")
        value = _read(flag, word, text if has_value else _next(flag, word, rest))
        given[flag.name] = given.get(flag.name, ()) + value if isinstance(flag.default, tuple) else value
    return given


def _next(flag: Flag, word: str, rest: Iterator[str]) -> str:
    """The value of a flag that has none after an equals sign: true for a bool, else the next word."""
    if _is_bool(flag):
        return "true"
    value = next(rest, None)
    if value is None:
        raise FlagError(f"flag needs an argument: {word}")
    return value


def _is_bool(flag: Flag) -> bool:
    return flag.default is None or isinstance(flag.default, bool)


def _read(flag: Flag, word: str, text: str) -> Any:
    wrong = f"invalid argument {text!r} for {word.partition('=')[0]}"
    try:
        if _is_bool(flag):
            return _bool(text)
        if flag.duration:
            return float(text) if text.isdecimal() else parse_duration(text).total_seconds()
        if isinstance(flag.default, int):
            return _positive(int(text))
        if isinstance(flag.default, float):
            return _positive(float(text))
    except ValueError as error:
        raise FlagError(f"{wrong}: {error}") from error
    if isinstance(flag.default, tuple):
        return tuple(text.split(","))
    if flag.choices and text.lower() not in flag.choices:
        raise FlagError(f"{wrong}: must be one of {', '.join(filter(None, flag.choices))}")
    return (text.lower() if flag.choices else text) or flag.default


def _bool(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError("must be true or false")


def _positive(number: Any) -> Any:
    if number < 0:
        raise ValueError("must not be negative")
    return number


def usage(program: str, purpose: str) -> str:
    """Help: the flags in their groups, with what they take and their defaults."""
    lines = [purpose, "", "Usage:", f"  {program} [flags]"]
    for group, flags in groupby(FLAGS, key=lambda flag: flag.group):
        lines += ["", f"{group}:"]
        lines += [f"  {_left(flag):<48} {flag.help}{_default(flag)}" for flag in flags]
    return "\n".join(lines)


def _left(flag: Flag) -> str:
    short = next((f"-{alias}, " for alias in flag.aliases if len(alias) == 1), "")
    if _is_bool(flag):
        kind = ""
    elif flag.duration:
        kind = " duration"
    else:
        kind = {"int": " int", "float": " float", "tuple": " strings"}.get(type(flag.default).__name__, " string")
    return f"{short}--{flag.name}{kind}"


def _default(flag: Flag) -> str:
    if flag.refused:
        return f" ({flag.refused})"
    if not flag.default or flag.name in ("qps", "burst"):
        return ""
    if flag.duration:
        return f" (default {flag.default:g}s)"
    shown = ",".join(flag.default) if isinstance(flag.default, tuple) else str(flag.default).lower()
    return f" (default {shown})"
