"""Command lines as kubectl reads them: its flags anywhere on the line, `--flag=false`, errors that exit with 1.

Only argparse is needed to answer --help; whatever a command does is imported when it runs.
"""

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from rollouts.kube.access import Access


class Parser(argparse.ArgumentParser):
    """An ArgumentParser without abbreviations, whose errors read like kubectl's: usage, `Error: …`, exit code 1."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"Error: {message}\n")


def switch(parser: argparse._ActionsContainer, *names: str, help: str, default: bool | str = False) -> None:
    """A flag that is on or off: `--watch`, `--watch=true` and `--watch=false` all say something."""
    dest = next(name for name in names if name.startswith("--"))[2:].replace("-", "_")
    parser.add_argument(*names, dest=dest, action="store_true", default=default, help=help)
    for word, action in (("true", "store_true"), ("false", "store_false")):
        spelled = [f"{name}={word}" for name in names]
        parser.add_argument(*spelled, dest=dest, action=action, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


_VALUES = {
    ("--kubeconfig",): ("kubeconfig", "FILE", "the kubeconfig file to use"),
    ("--context",): ("context", "NAME", "the context of the kubeconfig to use"),
    ("--cluster",): ("cluster", "NAME", "the cluster of the kubeconfig to use"),
    ("--user",): ("user", "NAME", "the user of the kubeconfig to use"),
    ("-n", "--namespace"): ("namespace", "NAME", "the namespace of this request"),
    ("-s", "--server"): ("server", "URL", "the address of the API server"),
    ("--token",): ("token", "TOKEN", "bearer token for the API server"),
    ("--as",): ("impersonate", "USER", "act as this user"),
    ("--as-uid",): ("impersonate_uid", "UID", "act as the user with this UID"),
    ("--certificate-authority",): ("certificate_authority", "FILE", "certificate of the API server's authority"),
    ("--client-certificate",): ("client_certificate", "FILE", "client certificate"),
    ("--client-key",): ("client_key", "FILE", "key of the client certificate"),
    ("--tls-server-name",): ("tls_server_name", "NAME", "name to check the server's certificate against"),
}
# kubectl's own, which mean nothing to a client that keeps no cache on disk and logs by --loglevel alone.
_WITHOUT_EFFECT = (("--cache-dir", "DIR"), ("--kloglevel", "N"), ("-v", "N"))


def add_kubectl_flags(parser: argparse.ArgumentParser, *, shown: bool = False) -> None:
    """kubectl's flags, for a command and for the commands below it: what is not given overwrites nothing."""
    group = parser.add_argument_group("connection, for every command")

    def about(text: str) -> str:
        return text if shown else argparse.SUPPRESS

    def add(*names: str, help: str, **options: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, help=about(help), **options)

    for names, (dest, metavar, text) in _VALUES.items():
        add(*names, dest=dest, metavar=metavar, help=text)
    add("--as-group", dest="impersonate_groups", action="append", metavar="GROUP", help="act as a member of this group")
    add("--request-timeout", type=seconds, metavar="TIME", help="how long one request may take, like 20s")
    add("--loglevel", choices=("debug", "info", "warn", "error"), help="how much to tell on stderr")
    for name, metavar in _WITHOUT_EFFECT:
        add(name, dest="without_effect", metavar=metavar, help="accepted; no effect here")
    nothing = argparse.SUPPRESS
    switch(group, "--insecure-skip-tls-verify", default=nothing, help=about("do not check the server's certificate"))
    switch(group, "--disable-compression", default=nothing, help=about("ask for answers uncompressed"))


def access_of(args: argparse.Namespace) -> "Access":
    """What the flags of a parsed command line say about the cluster."""
    from rollouts.kube.access import Access

    given = {field: getattr(args, field) for field in Access.__dataclass_fields__ if hasattr(args, field)}
    if "impersonate_groups" in given:
        given["impersonate_groups"] = tuple(given["impersonate_groups"])
    return Access(**given)


def seconds(written: str) -> float:
    """A flag's value for a time: plain seconds, or numbers with units (`1h30m`)."""
    from analysis.schema import parse_duration

    try:
        return float(written) if written.isdecimal() else parse_duration(written).total_seconds()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def spoken(error: Exception) -> str:
    """An exception for a person: of a file the path and what is wrong with it, without the system's number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
