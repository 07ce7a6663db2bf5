"""Pure. What an API server says about which resources it has: the plain kinds and the aggregated ones."""

import re
from collections.abc import Iterable

from rollouts.kube.refs import Obj, Resource
from rollouts.sandbox.apiserver.types.registry import Served

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ON_OBJECTS = ["get", "patch", "update"]

VERSION: Obj = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0+sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "python",
    "platform": "loopback",
}

REVIEWS = (
    Served(
        Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False),
        verbs=("create",),
    ),
    Served(
        Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False),
        verbs=("create",),
    ),
    Served(
        Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False),
        verbs=("create",),
    ),
)
"""Resources that are only asked, never stored: who am I, and what may I do."""


def by_group(resources: Iterable[Served]) -> dict[str, dict[str, list[Served]]]:
    """Resources by group, then by version, the preferred version first; in a version by name."""
    groups: dict[str, dict[str, list[Served]]] = {}
    for served in sorted(resources, key=lambda one: one.resource.plural):
        resource = served.resource
        groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(served)
    return {
        group: {version: versions[version] for version in sorted(versions, key=_rank)}
        for group, versions in groups.items()
    }


def _rank(version: str) -> tuple[int, int, int, str]:
    """Stable before beta before alpha, and the higher number first; other names last."""
    read = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if read is None:
        return (3, 0, 0, version)
    maturity = {None: 0, "beta": 1, "alpha": 2}[read[2]]
    return (maturity, -int(read[1]), -int(read[3] or 0), version)


def core_versions(address: str) -> Obj:
    """What /api answers."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups(resources: Iterable[Served]) -> Obj:
    """What /apis answers."""
    named = [_group(group, [*versions]) for group, versions in by_group(resources).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}


def group(name: str, resources: Iterable[Served]) -> Obj | None:
    """What /apis/<name> answers, None for a group that is not there."""
    versions = by_group(resources).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, [*versions]) if versions and name else None


def _group(name: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resource_list(group_name: str, version: str, resources: Iterable[Served]) -> Obj | None:
    """What /api/v1 and /apis/<group>/<version> answer, None for a group version that is not there."""
    members = by_group(resources).get(group_name, {}).get(version)
    if not members:
        return None
    listed: list[Obj] = []
    for served in members:
        listed.append(_entry(served))
        listed += [_subresource_entry(served, name) for name in _subresources(served)]
    group_version = f"{group_name}/{version}" if group_name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _entry(served: Served) -> Obj:
    resource = served.resource
    entry: Obj = {
        "name": resource.plural,
        "singularName": served.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": [*served.verbs],
    }
    return entry | _also(served)


def _also(served: Served) -> Obj:
    lists = {"shortNames": [*served.short_names], "categories": [*served.categories]}
    return {key: value for key, value in lists.items() if value}


def _subresources(served: Served) -> list[str]:
    """In the order in which they are told: of a custom resource the status comes first."""
    return sorted(served.subresources, reverse=served.custom)


def _subresource_entry(served: Served, name: str) -> Obj:
    kind = _response_kind(served, name)
    entry: Obj = {
        "name": f"{served.resource.plural}/{name}",
        "singularName": "",
        "namespaced": served.resource.namespaced,
        "kind": kind["kind"],
        "verbs": _subresource_verbs(name),
    }
    foreign = (kind["group"], kind["version"]) != (served.resource.group, served.resource.version)
    return entry | ({"group": kind["group"], "version": kind["version"]} if foreign else {})


def _response_kind(served: Served, subresource: str) -> Obj:
    resource = served.resource
    match subresource:
        case "scale":
            return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        case "eviction":
            return {"group": "policy", "version": "v1", "kind": "Eviction"}
        case "binding":
            return {"group": "", "version": "v1", "kind": "Binding"}
        case _:
            return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _subresource_verbs(name: str) -> list[str]:
    return {"eviction": ["create"], "binding": ["create"], "finalize": ["update"]}.get(name, _ON_OBJECTS)


def aggregated(resources: Iterable[Served], *, core: bool) -> Obj:
    """What /api (core) and /apis answer to who accepts `AGGREGATED`: all groups with all their resources."""
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None},
            "versions": [
                {"version": version, "freshness": "Current", "resources": [_aggregated_entry(one) for one in members]}
                for version, members in versions.items()
            ],
        }
        for name, versions in by_group(resources).items()
        if (name == "") == core
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_entry(served: Served) -> Obj:
    resource = served.resource
    entry: Obj = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": served.singular,
        "verbs": [*served.verbs],
    }
    below = [
        {"subresource": name, "responseKind": _response_kind(served, name), "verbs": _subresource_verbs(name)}
        for name in _subresources(served)
    ]
    return entry | _also(served) | ({"subresources": below} if below else {})
