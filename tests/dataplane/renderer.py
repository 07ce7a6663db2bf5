"""Ingresses as a configuration of nginx, the way ingress-nginx means them: for tests, with nginx's own split_clients.

Written from ingress-nginx's annotations alone, and not from the sandbox's dialect: the two are compared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollouts.kube.refs import Obj, name_of, namespace_of

PREFIX = "nginx.ingress.kubernetes.io/"
VERSION_HOST = "version.invalid"
"""Asked for this host, nginx answers with the number of the configuration that it serves."""

Endpoints = Mapping[tuple[str, str], Sequence[str]]
"""Addresses (`host:port`) of the ready pods by namespace and name of their Service."""

_NOBODY = "server 127.0.0.1:9 down;"  # nginx knows no empty group: this one answers 502


@dataclass(frozen=True, slots=True)
class _Location:
    host: str
    kind: str
    path: str
    service: tuple[str, str]


def configuration(ingresses: Iterable[Obj], endpoints: Endpoints, *, folder: str, port: int, version: int) -> str:
    """nginx.conf for a server on loopback that keeps everything it writes in one folder."""
    found = sorted(ingresses, key=lambda each: (namespace_of(each), name_of(each)))
    mains = [place for each in found if not _is_canary(each) for place in _locations(each)]
    canaries = [(place, each) for each in found if _is_canary(each) for place in _locations(each)]
    blocks = [*_upstreams({place.service for place in (*mains, *(place for place, _ in canaries))}, endpoints)]
    servers: dict[str, list[str]] = {}
    for number, main in enumerate(mains):
        beside = next((pair for pair in canaries if _is_beside(pair[0], main)), None)
        target = _group(main.service)
        if beside is not None:
            blocks += _choice(number, target, _group(beside[0].service), beside[1]["metadata"]["annotations"])
            target = f"$by_header_{number}"
        servers.setdefault(main.host, []).extend(_location(main, target))
    served = "\n".join(_server(host, lines, port) for host, lines in sorted(servers.items()))
    return _WHOLE.format(
        folder=folder, port=port, version=version, host=VERSION_HOST, blocks="\n".join(blocks), servers=served
    )


def _is_canary(ingress: Obj) -> bool:
    return _annotation(ingress["metadata"].get("annotations") or {}, "canary") == "true"


def _is_beside(canary: _Location, main: _Location) -> bool:
    here, there = ((each.host, each.kind, each.path) for each in (canary, main))
    return here == there and canary.service != main.service


def _annotation(annotations: Mapping[str, str], key: str, otherwise: str = "") -> str:
    return annotations.get(PREFIX + key, otherwise)


def _locations(ingress: Obj) -> Iterator[_Location]:
    for rule in ingress["spec"].get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            if "service" in path["backend"]:
                service = namespace_of(ingress), path["backend"]["service"]["name"]
                yield _Location(rule.get("host") or "_", path["pathType"], path.get("path") or "/", service)


def _group(service: tuple[str, str]) -> str:
    return "-".join(service)


def _upstreams(services: Iterable[tuple[str, str]], endpoints: Endpoints) -> Iterator[str]:
    for service in sorted(services):
        servers = [f"server {address} max_fails=0;" for address in sorted(endpoints.get(service, ()))]
        yield f"upstream {_group(service)} {{ {' '.join(servers or [_NOBODY])} keepalive 32; }}"


def _choice(number: int, main: str, canary: str, annotations: Mapping[str, str]) -> Iterator[str]:
    """A header goes before a cookie, and both before the weights."""
    weight = int(_annotation(annotations, "canary-weight", "0"))
    whole = max(100, int(_annotation(annotations, "canary-weight-total", "100")))
    share = f"{100 * weight / whole:.2f}% {canary}; " if weight else ""
    rest = "" if weight >= whole else f"* {main}; "
    yield f'split_clients "$request_id" $by_weight_{number} {{ {share}{rest}}}'
    named = f"always {canary}; never {main};"
    cookie = _annotation(annotations, "canary-by-cookie")
    yield from _map(f"$cookie_{cookie}" if cookie else '""', f"by_cookie_{number}", f"$by_weight_{number}", named)
    header = _annotation(annotations, "canary-by-header").lower().replace("-", "_")
    if value := _annotation(annotations, "canary-by-header-value"):
        named = f'"{value}" {canary};'
    elif pattern := _annotation(annotations, "canary-by-header-pattern"):
        named = f'"~{pattern}" {canary};'
    yield from _map(f"$http_{header}" if header else '""', f"by_header_{number}", f"$by_cookie_{number}", named)


def _map(of: str, to: str, otherwise: str, named: str) -> Iterator[str]:
    yield f"map {of} ${to} {{ default {otherwise}; {named} }}"


def _location(place: _Location, target: str) -> Iterator[str]:
    path = place.path.rstrip("/")
    where = {"Exact": [f"= {place.path}"], "Prefix": [f"{path}/", *([f"= {path}"] if path else [])]}
    for each in where.get(place.kind, [place.path]):
        yield f"location {each} {{ proxy_pass http://{target}; }}"


def _server(host: str, lines: Iterable[str], port: int) -> str:
    return f"server {{ listen 127.0.0.1:{port}; server_name {host}; {' '.join(lines)} }}"


_WHOLE = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 2048; }}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
map_hash_bucket_size 256;
server_names_hash_bucket_size 256;
keepalive_requests 1000000;
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_set_header Host $host;
proxy_next_upstream off;
{blocks}
server {{ listen 127.0.0.1:{port} default_server; return 404; }}
server {{ listen 127.0.0.1:{port}; server_name {host}; return 200 "{version}"; }}
{servers}
}}
"""
