"""Who may do what: bindings by user, group and service account, in a namespace and everywhere."""

from typing import Any

import pytest

from rollouts.kube.errors import Refused
from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.rbac import ADMIN, Attempt, Policy, impersonated
from rollouts.sandbox.apiserver.reviews import reviewed

ROBOT = impersonated("system:serviceaccount:team:robot")
ANN = impersonated("ann", ["devs"])


def role(name: str, namespace: str = "", **rule: Any) -> Obj:
    scope = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name} | scope, "rules": [{"apiGroups": [""], "verbs": ["get"]} | rule]}


def binding(kind: str, name: str, *subjects: Obj, namespace: str = "") -> Obj:
    scope = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": "b"} | scope, "roleRef": {"kind": kind, "name": name}, "subjects": [*subjects]}


SERVICE_ACCOUNT = {"kind": "ServiceAccount", "namespace": "team", "name": "robot"}
GROUP = {"kind": "Group", "name": "devs"}
USER = {"kind": "User", "name": "ann"}


def test_the_administrator_may_do_everything() -> None:
    assert Policy().allows(ADMIN, Attempt("delete", "apps", "deployments", "any"))
    assert Policy().allows(ADMIN, Attempt("get", path="/metrics"))
    assert not Policy().allows(ROBOT, Attempt("get", "", "pods", "team"))


@pytest.mark.parametrize(("subject", "user"), [(SERVICE_ACCOUNT, ROBOT), (GROUP, ANN), (USER, ANN)])
def test_a_cluster_role_binding_holds_everywhere(subject: Obj, user: Any) -> None:
    policy = Policy((role("r", resources=["pods"]),), (binding("ClusterRole", "r", subject),))
    assert policy.allows(user, Attempt("get", "", "pods", "anywhere"))
    assert policy.allows(user, Attempt("get", "", "pods"))
    assert not policy.allows(user, Attempt("delete", "", "pods", "anywhere"))
    assert not policy.allows(user, Attempt("get", "apps", "pods", "anywhere"))


def test_a_role_binding_holds_in_its_namespace_only() -> None:
    bound = binding("Role", "r", SERVICE_ACCOUNT, namespace="team")
    policy = Policy(roles=(role("r", "team", resources=["pods"]),), role_bindings=(bound,))
    assert policy.allows(ROBOT, Attempt("get", "", "pods", "team"))
    assert not policy.allows(ROBOT, Attempt("get", "", "pods", "other"))
    assert not policy.allows(ROBOT, Attempt("get", "", "pods"))


def test_rules_name_subresources_objects_and_paths() -> None:
    rules = [
        {"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["one"]},
        {"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]},
    ]
    policy = Policy(({"metadata": {"name": "r"}, "rules": rules},), (binding("ClusterRole", "r", USER),))
    allowed = [
        Attempt("patch", "apps", "deployments/scale", "x"),
        Attempt("get", "", "secrets", "x", "one"),
        Attempt("get", path="/metrics"),
        Attempt("get", path="/logs/today"),
    ]
    denied = [
        Attempt("patch", "apps", "deployments", "x"),
        Attempt("get", "", "secrets", "x", "two"),
        Attempt("get", path="/metrics/more"),
    ]
    assert [policy.allows(ANN, one) for one in (*allowed, *denied)] == [True] * 4 + [False] * 3


def test_a_review_that_asks_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="exactly one of resourceAttributes"):
        reviewed("SelfSubjectAccessReview", {"spec": {}}, ADMIN, Policy())


def test_a_review_of_rules_lists_them() -> None:
    policy = Policy((role("r", resources=["pods"]),), (binding("ClusterRole", "r", USER),))
    status = reviewed("SelfSubjectRulesReview", {"spec": {"namespace": "x"}}, ANN, policy)["status"]
    assert status["resourceRules"] == [{"apiGroups": [""], "verbs": ["get"], "resources": ["pods"]}]
    assert status["nonResourceRules"] == []
