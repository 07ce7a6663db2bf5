"""Reads files, asks every rule, and says what they found."""

from collections.abc import Iterable, Iterator

import yaml

from rollouts.lint import manifest_rules, query_rules, release_rules, template_rules, traffic_rules
from rollouts.lint.fileset import FileSet
from rollouts.lint.manifests import BadYaml, Document, read
from rollouts.lint.registry import RULES, Fault, Finding, Rule, Severity, rule

RULE_MODULES = (manifest_rules, template_rules, release_rules, query_rules, traffic_rules)
"""Importing a module enters its rules."""


@rule("yaml", Severity.ERROR, "A file is no YAML: nothing in it reaches the cluster. The other rules see the rest.")
def _yaml(files: FileSet) -> Iterator[Fault]:
    for bad in files.bad:
        yield Fault(_stub(bad), (), bad.text)


def lint(paths: Iterable[str]) -> tuple[Finding, ...]:
    """What is wrong with the manifests under `paths`, by file and line. Unreadable for a path that is none."""
    documents, bad = read(paths)
    files = FileSet(documents, bad)
    named = dict.fromkeys([*(one.path for one in documents), *(one.path for one in bad)])
    order = {path: number for number, path in enumerate(named)}
    found = {_finding(rule, fault) for rule in RULES.values() for fault in rule.check(files)}
    return tuple(sorted(found, key=lambda one: (order[one.path], one)))


def _finding(rule: Rule, fault: Fault) -> Finding:
    line = fault.document.line(*fault.at)
    return Finding(fault.document.path, line, rule.id, fault.severity or rule.severity, fault.text)


def _stub(bad: BadYaml) -> Document:
    """A document that says where the unreadable one is."""
    mark = yaml.Mark(bad.path, 0, bad.line - 1, 0, "", 0)
    return Document(bad.path, {}, yaml.MappingNode("tag:yaml.org,2002:map", [], mark, mark))
