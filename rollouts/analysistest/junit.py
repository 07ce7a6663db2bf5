"""Pure. Outcomes of tests as JUnit XML, which every CI system reads."""

from collections.abc import Iterable
from itertools import groupby
from xml.etree import ElementTree

from rollouts.analysistest.suite import Outcome


def report(outcomes: Iterable[Outcome]) -> str:
    """The XML. Times are those of the runs, which is virtual time."""
    root = ElementTree.Element("testsuites")
    for (path, name), group in groupby(outcomes, key=lambda one: (one.path, one.suite)):
        cases = list(group)
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, "file": path} | _counts(cases))
        for one in cases:
            _case(suite, one)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _counts(cases: list[Outcome]) -> dict[str, str]:
    failures = sum(bool(one.faults) for one in cases)
    took = sum(one.took.total_seconds() for one in cases)
    return {"tests": str(len(cases)), "failures": str(failures), "errors": "0", "time": f"{took:.3f}"}


def _case(suite: ElementTree.Element, one: Outcome) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=one.suite,
        name=one.name,
        file=one.path,
        line=str(one.line),
        time=f"{one.took.total_seconds():.3f}",
    )
    if one.faults:
        failure = ElementTree.SubElement(case, "failure", message=one.faults[0])
        failure.text = "\n".join(one.faults)
