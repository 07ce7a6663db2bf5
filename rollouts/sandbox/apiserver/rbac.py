"""Pure. Who may do what: roles and bindings of rbac.authorization.k8s.io, asked for one user."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from rollouts.kube.refs import Obj

MASTERS = "system:masters"
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups


ADMIN = User("sandbox-admin", (MASTERS, "system:authenticated"))


def impersonated(name: str, groups: Iterable[str] = ()) -> User:
    """Another user, with the groups an API server gives each user and service account."""
    found = [*groups]
    if name.startswith(_SERVICE_ACCOUNT) and not found:
        namespace = name.removeprefix(_SERVICE_ACCOUNT).split(":")[0]
        found = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    return User(name, (*found, "system:authenticated"))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody wants to do. `resource` is a plural; a subresource follows a slash. `path`: not of a resource."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The RBAC objects of a cluster."""

    cluster_roles: tuple[Obj, ...] = ()
    cluster_role_bindings: tuple[Obj, ...] = ()
    roles: tuple[Obj, ...] = ()
    role_bindings: tuple[Obj, ...] = ()

    def rules(self, user: User, namespace: str) -> Iterator[Obj]:
        """The rules that hold for a user in a namespace; with "" those that hold everywhere."""
        if user.is_master:
            yield {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
            yield {"nonResourceURLs": ["*"], "verbs": ["*"]}
        for binding in self.cluster_role_bindings:
            if _binds(binding, user):
                yield from self._role(binding["roleRef"], "")
        for binding in self.role_bindings:
            if namespace and binding["metadata"]["namespace"] == namespace and _binds(binding, user):
                yield from self._role(binding["roleRef"], namespace)

    def _role(self, ref: Obj, namespace: str) -> Iterator[Obj]:
        pool = self.cluster_roles if ref["kind"] == "ClusterRole" else self.roles
        for role in pool:
            metadata = role["metadata"]
            if metadata["name"] == ref["name"] and metadata.get("namespace", "") in ("", namespace):
                yield from role.get("rules") or ()

    def allows(self, user: User, attempt: Attempt) -> bool:
        return any(_covers(rule, attempt) for rule in self.rules(user, attempt.namespace))


PolicySource: TypeAlias = Callable[[], Policy]


def _binds(binding: Obj, user: User) -> bool:
    for subject in binding.get("subjects") or ():
        match subject["kind"]:
            case "ServiceAccount":
                name = f"{_SERVICE_ACCOUNT}{subject.get('namespace', '')}:{subject['name']}"
            case "Group":
                if subject["name"] in user.groups:
                    return True
                continue
            case _:
                name = subject["name"]
        if name == user.name:
            return True
    return False


def _covers(rule: Obj, attempt: Attempt) -> bool:
    if not _any(rule.get("verbs"), attempt.verb):
        return False
    if attempt.path:
        return any(
            attempt.path == url or (url.endswith("*") and attempt.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or ()
        )
    names: list[str] = rule.get("resourceNames") or []
    if names and attempt.name not in names:
        return False
    resources: list[str] = rule.get("resources") or []
    _, _, subresource = attempt.resource.partition("/")
    by_subresource = bool(subresource) and f"*/{subresource}" in resources
    return _any(rule.get("apiGroups"), attempt.group) and (_any(resources, attempt.resource) or by_subresource)


def _any(allowed: list[str] | None, wanted: str) -> bool:
    return "*" in (allowed or ()) or wanted in (allowed or ())
