"""Which tests hold the edge cases of Argo Rollouts, by the numbers that the contract gives them.

Each file of `edges/` belongs to one page of the contract; only `outages` lists what was seen of Argo Rollouts running.
`cases` says how many there are; each `[[case]]` has its `number`, what it `says` in a line, and the `tests`
(`<file>::<function>`) that fail if it stops being so. `open` lists the numbers that no test holds yet.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.compat.naming import ROOT, exists

PAGES = sorted((Path(__file__).parent / "edges").glob("*.toml"))
CONTRACT = ROOT.parent / "shared" / "contract"
LISTS = {"rollout": "### 10.3", "analysis": "## 7.", "traffic": "## 17.", "operations": "## 14."}
"""The heading of the contract's page under which its cases stand."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


@cache
def read(page: Path) -> dict[str, Any]:
    return tomllib.loads(page.read_text())


def test_each_list_of_the_contract_has_a_file_here() -> None:
    assert {page.stem for page in PAGES} - {"outages"} <= set(LISTS)
    assert PAGES


@each_page
def test_no_number_is_left_out(page: Path) -> None:
    content = read(page)
    held = [case["number"] for case in content["case"]]
    assert sorted(held + content.get("open", [])) == list(range(1, content["cases"] + 1))
    assert held == sorted(held)


@each_page
def test_each_case_says_something_and_is_held_by_tests_that_exist(page: Path) -> None:
    for case in read(page)["case"]:
        assert set(case) == {"number", "says", "tests"}, case
        assert case["says"], case
        assert case["tests"], case
        assert [test for test in case["tests"] if not exists(test)] == [], case["number"]


@pytest.mark.skipif(not CONTRACT.is_dir(), reason="the contract is not beside this repository (../shared/contract)")
@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in LISTS], ids=lambda path: path.stem)
def test_there_are_as_many_cases_as_in_the_contract(page: Path) -> None:
    text = (CONTRACT / f"{page.stem}.md").read_text()
    section = re.split(r"^#+ ", text.split(f"\n{LISTS[page.stem]}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    assert [int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)] == list(
        range(1, read(page)["cases"] + 1)
    )
