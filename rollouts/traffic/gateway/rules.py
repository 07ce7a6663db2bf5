"""Pure. The rules of one route of the Gateway API under a split: weights of backends, and rules of our own making.

A rule is ours when it has the name of a managed route, with or without a number behind it; where the cluster's
definition does not know names of rules, when it leads to the canary alone for the headers of one of our routes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rollouts.api.canary import HeaderRoutingMatch, StringMatch
from rollouts.decide.plan import HeaderRoute, Split
from rollouts.kube.refs import Obj
from rollouts.traffic.base import beginning

ROOT = {"type": "PathPrefix", "value": "/"}


@dataclass(frozen=True, slots=True)
class Whose:
    """What tells our rules from those of others, and our backends from theirs.

    `known`: the header routes that the Rollout's steps may ever ask for; `former`: Services of experiments that a
    former split gave a share; `port`, `namespace`: where the Services of experiments are reached.
    """

    split: Split
    known: tuple[HeaderRoute, ...]
    former: frozenset[str]
    port: int
    namespace: str
    paths: bool  # requests have a path to match, as those of HTTP do

    # ── backends ──

    def carries(self, rule: Obj) -> bool:
        """Whether a rule shares traffic between canary and stable."""
        found = {service(backend) for backend in rule.get("backendRefs") or ()}
        return not self.ours(rule) and {self.split.canary.service, self.split.stable.service} <= found

    def weighed(self, rule: Obj) -> Obj:
        """The rule with the weights of the split; other backends keep theirs."""
        shares = {share.service: share.weight for share in (self.split.stable, *self.split.additional)}
        shares[self.split.canary.service] = self.split.canary.weight
        found = [backend for backend in rule["backendRefs"] if service(backend) not in self.former - shares.keys()]
        there = {service(backend) for backend in found}
        missing = [self._experiment(one.service) for one in self.split.additional if one.service not in there]
        backends = [
            {**backend, "weight": shares[service(backend)]} if service(backend) in shares else backend
            for backend in (*found, *missing)
        ]
        return {**rule, "backendRefs": backends}

    def _experiment(self, service: str) -> Obj:
        place = {"namespace": self.namespace, "port": self.port}
        return {"group": "", "kind": "Service", "name": service, **place}

    # ── rules of header routes ──

    def ours(self, rule: Obj) -> bool:
        """Whether a rule is of our own making."""
        name = rule.get("name")
        if name:
            return any(re.fullmatch(rf"{re.escape(own)}(-\d+)?", name) for own in self.split.managed)
        backends = rule.get("backendRefs") or []
        alone = len(backends) == 1 and service(backends[0]) == self.split.canary.service
        return alone and any(_answers(rule, route) for route in self.known)

    def made(self, rules: Iterable[Obj], routes: Iterable[HeaderRoute]) -> Iterator[Obj]:
        """The rules that these header routes stand for: for each rule that carries the split one of its own."""
        carrying = [rule for rule in rules if self.carries(rule)]
        for route in routes:
            led = (self._led(rule, route) for rule in carrying)
            for number, rule in enumerate(one for one in led if one is not None):
                yield {**rule, "name": f"{route.name}-{number}" if number else route.name}

    def _led(self, rule: Obj, route: HeaderRoute) -> Obj | None:
        """The rule for requests with these headers only, to the canary; None when no request could meet both."""
        wanted = [_header(one) for one in route.match]
        standing = rule.get("matches") or [{"path": ROOT} if self.paths else {}]
        matches = [found for found in (self._narrowed(match, wanted) for match in standing) if found is not None]
        if not matches:
            return None
        canary = next(each for each in rule["backendRefs"] if service(each) == self.split.canary.service)
        backend = {"group": "", "kind": "Service", **canary, "weight": 1}
        return {**rule, "matches": matches, "backendRefs": [backend]}

    def _narrowed(self, match: Obj, wanted: list[Obj]) -> Obj | None:
        headers = joined(match.get("headers") or [], wanted)
        path = {"path": match.get("path") or ROOT} if self.paths else {}
        return None if headers is None else {**match, **path, "headers": headers}


def service(backend: Obj) -> str:
    """The Service that a backend names, "" for one that is none."""
    return str(backend.get("name", "")) if (backend.get("kind") or "Service") == "Service" else ""


def joined(headers: list[Obj], wanted: list[Obj]) -> list[Obj] | None:
    """Conditions on headers that say both; None where one header had to meet two: it has one condition only."""
    found: Mapping[str, Obj] = {header["name"].lower(): header for header in headers}
    for header in wanted:
        there = found.get(header["name"].lower())
        if there is not None and _meaning(there) != _meaning(header):
            return None
    return [*headers, *(header for header in wanted if header["name"].lower() not in found)]


def _answers(rule: Obj, route: HeaderRoute) -> bool:
    wanted = {_meaning(_header(one)) for one in route.match}
    matches = rule.get("matches") or []
    return bool(wanted and matches) and all(
        wanted <= {_meaning(header) for header in match.get("headers") or ()} for match in matches
    )


def _meaning(header: Obj) -> tuple[str, str, str]:
    return header["name"].lower(), header.get("type") or "Exact", header.get("value", "")


def _header(match: HeaderRoutingMatch) -> Obj:
    kind, value = condition(match.header_value)
    return {"name": match.header_name, "type": kind, "value": value}


def condition(value: StringMatch | None) -> tuple[str, str]:
    """Kind and text of what a header has to be like."""
    if value is not None and value.exact:
        return "Exact", value.exact
    if value is not None and value.prefix:
        return "RegularExpression", beginning(value.prefix)
    return "RegularExpression", value.regex if value is not None and value.regex else ".*"
