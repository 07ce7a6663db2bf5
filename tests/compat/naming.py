"""Tests by name: `<file>::<function>`, as the lists in this folder say them."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def _functions(file: Path) -> frozenset[str]:
    """The tests that pytest finds in a file, by name."""
    found = [
        node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return frozenset(node.name for node in found if node.name.startswith("test_"))


def exists(test: str) -> bool:
    """Whether there is a test of this name."""
    file, _, name = test.partition("::")
    return (ROOT / file).is_file() and name in _functions(ROOT / file)
