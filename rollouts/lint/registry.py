"""Pure. What a rule is, and all rules there are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from rollouts.lint.fileset import FileSet
from rollouts.lint.manifests import Document, Steps


class Severity(StrEnum):
    """error: it is refused, or cannot do what it says. warning: it will do what nobody wants. info: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Fault:
    """What a rule found: in which document, at which field, in words. `severity` None: the rule's own."""

    document: Document
    at: Steps
    text: str
    severity: Severity | None = None


Check = Callable[[FileSet], Iterator[Fault]]


@dataclass(frozen=True)
class Rule:
    """One rule. `about` says in one sentence what is wrong and why it matters."""

    id: str
    severity: Severity
    about: str
    check: Check


@dataclass(frozen=True, order=True)
class Finding:
    """One line of the report."""

    path: str
    line: int
    rule: str
    severity: Severity
    message: str


RULES: dict[str, Rule] = {}
"""By id, in the order of the documentation."""


def rule(id: str, severity: Severity, about: str) -> Callable[[Check], Check]:
    """Enters a function into the registry."""

    def enter(check: Check) -> Check:
        assert id not in RULES, f"two rules are called {id}"
        RULES[id] = Rule(id, severity, about, check)
        return check

    return enter
