"""Pure. Answers to `kubectl auth can-i` and `kubectl auth whoami`: reviews, which are asked and never stored."""

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.rbac import Attempt, Policy, User
from rollouts.sandbox.apiserver.refusals import bad_request


def reviewed(kind: str, review: Obj, user: User, policy: Policy) -> Obj:
    """The review with its status filled in. Refused (400) when it does not say what it asks."""
    asked: Obj = review.get("spec") or {}
    match kind:
        case "SelfSubjectReview":
            return review | {"status": {"userInfo": {"username": user.name, "groups": [*user.groups]}}}
        case "SelfSubjectRulesReview":
            return review | {"status": _rules(user, policy, str(asked.get("namespace") or ""))}
        case _:
            return review | {"status": _access(asked, user, policy)}


def _access(asked: Obj, user: User, policy: Policy) -> Obj:
    attempt = _attempt(asked)
    if policy.allows(user, attempt):
        return {"allowed": True, "reason": "the user may do everything" if user.is_master else "allowed by RBAC"}
    return {"allowed": False}


def _attempt(asked: Obj) -> Attempt:
    if path := asked.get("nonResourceAttributes"):
        return Attempt(str(path.get("verb", "")), path=str(path.get("path", "")))
    about = asked.get("resourceAttributes")
    if not about:
        raise bad_request("spec: exactly one of resourceAttributes and nonResourceAttributes must be specified")
    resource = "/".join(part for part in (about.get("resource", ""), about.get("subresource", "")) if part)
    return Attempt(
        str(about.get("verb", "")),
        str(about.get("group", "")),
        resource,
        str(about.get("namespace", "")),
        str(about.get("name", "")),
    )


def _rules(user: User, policy: Policy, namespace: str) -> Obj:
    found = [*policy.rules(user, namespace)]
    of_resources = [rule for rule in found if rule.get("resources")]
    of_paths = [
        {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
        for rule in found
        if rule.get("nonResourceURLs")
    ]
    return {"resourceRules": of_resources, "nonResourceRules": of_paths, "incomplete": False}
