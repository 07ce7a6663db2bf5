"""What the tree promises of itself: layers, purity, sizes, explained waivers, and a README that tells the truth."""

import ast
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from rollouts.api.crds import DEFINITIONS, crd_yaml

ROOT = Path(__file__).parents[1]
PACKAGES = ("rollouts", "analysis")
LONGEST_MODULE = 450
LONGEST_FUNCTION = 60
LONG_MODULES: dict[str, str] = {
    "tests/api/test_validate.py": "one row per rule of a spec; to split it would only hide a missing row",
}
"""Modules over the limit, each with the reason why it is better in one piece."""

IMPURE = frozenset({"asyncio", "httpx", "aiohttp", "time", "random", "os", "structlog", "socket", "subprocess"})
DECIDING = (
    "rollouts.decide",
    "rollouts.view",
    "rollouts.operations",
    "rollouts.experiment.decide",
    "rollouts.traffic.",
    "analysis.decide",
    "analysis.evaluate",
    "analysis.templates",
)
WAIVER = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma)\b")
NAMED_AND_EXPLAINED = re.compile(r"#\s*(?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|type: ignore\[[a-z, -]+\]) +[#–-] +\S.{3,}")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|farm|root|home/(?!argo-rollouts))/\w")


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository: those git knows and those about to be added; in a copy without git, all of them."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        inside = (path for path in ROOT.rglob("*") if path.is_file())
        return tuple(path for path in inside if not any(part.startswith(".") for part in path.relative_to(ROOT).parts))
    return tuple(path for name in answer.split("\0") if name and (path := ROOT / name).is_file())


def modules(*folders: str) -> Iterator[tuple[str, Path, ast.Module]]:
    for path in tracked():
        name = path.relative_to(ROOT)
        if path.suffix == ".py" and name.parts[0] in folders:
            yield str(name), path, parsed(path)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def promise(tree: ast.Module) -> str:
    return ast.get_docstring(tree) or ""


@cache
def imported(tree: ast.Module) -> tuple[str, ...]:
    """Every module that is imported, also inside functions."""
    return tuple(_imported(tree))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_layer_reaches_upward(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = lint_imports(no_cache=True, no_logo=True)
    assert code == 0, capsys.readouterr().out


def test_every_module_says_what_it_promises() -> None:
    assert [name for name, _, tree in modules(*PACKAGES) if not promise(tree)] == []


def test_pure_modules_neither_wait_nor_look_around() -> None:
    faults = []
    for name, _, tree in modules(*PACKAGES):
        if promise(tree).startswith("Pure."):
            faults += [f"{name}: imports {module}" for module in imported(tree) if module.split(".")[0] in IMPURE]
            faults += [f"{name}:{line}: waits" for line in waits(tree)]
    assert faults == []


def waits(tree: ast.Module) -> Iterator[int]:
    """Lines that suspend; a protocol's method without a body only says that somebody else's does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            if not all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in node.body):
                yield node.lineno
        elif isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno


def test_what_decides_is_pure_and_rests_on_nothing_else() -> None:
    promises = {dotted(name): (promise(tree), tree) for name, _, tree in modules(*PACKAGES)}
    deciding = {name: tree for name, (_, tree) in promises.items() if name.startswith(DECIDING)}
    packages = {name for name in promises if any(other.startswith(f"{name}.") for other in promises)}
    assert deciding
    leaning = [
        f"{name} imports {module}"
        for name, tree in deciding.items()
        for module in imported(tree)
        if module in promises.keys() - packages and not promises[module][0].startswith("Pure.")
    ]
    assert [name for name in deciding if not promises[name][0].startswith("Pure.")] == []
    assert leaning == []


def dotted(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_modules_are_short_enough_to_read() -> None:
    sizes = {name: path.read_text().count("\n") for name, path, _ in modules(*PACKAGES, "tests")}
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE and name not in LONG_MODULES} == {}
    assert [name for name in LONG_MODULES if sizes.get(name, 0) <= LONGEST_MODULE] == [], "this waiver is not needed"


def test_functions_are_short_enough_to_read() -> None:
    long = [
        f"{name}:{node.lineno}: {node.name} has {length} lines"
        for name, _, tree in modules(*PACKAGES, "tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert long == []


def comments(path: Path) -> Iterator[tuple[int, str]]:
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def test_waivers_name_their_rule_and_explain_themselves() -> None:
    unexplained = [
        f"{name}:{line}: {text}"
        for name, path, _ in modules(*PACKAGES, "tests")
        for line, text in comments(path)
        if WAIVER.search(text) and not NAMED_AND_EXPLAINED.search(text)
    ]
    assert unexplained == []


def test_nothing_is_left_unfinished() -> None:
    unfinished = [
        f"{name}:{number}: {line.strip()}"
        for name, path, _ in modules(*PACKAGES, "tests")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert unfinished == []


def test_no_error_is_swallowed_whole() -> None:
    swallowed = [
        f"{name}:{node.lineno}"
        for name, _, tree in modules(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]
    assert swallowed == []


@pytest.mark.parametrize(
    ("library", "importer"),
    [
        ("kubernetes_asyncio", "rollouts/kube/client_library.py"),
        ("prometheus_api_client", "analysis/providers/prometheus.py"),
    ],
)
def test_a_heavy_library_has_one_importer(library: str, importer: str) -> None:
    users = {name for name, _, tree in modules(*PACKAGES) if library in {each.split(".")[0] for each in imported(tree)}}
    assert users == {importer}


def test_the_custom_resource_definitions_are_those_of_the_models() -> None:
    stale = [one.file for one in DEFINITIONS if (ROOT / "crds" / one.file).read_text() != crd_yaml(one)]
    assert stale == [], "run `make crds`"


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_task_of_the_makefile_is_explained() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_commands_that_a_page_names_are_there(page: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", "\n".join(code_of((ROOT / page).read_text()))))
    assert named
    assert named <= targets()


def code_of(page: str) -> list[str]:
    """What a page sets as code: blocks and words between backticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", page)


def pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_paths_that_pages_name_are_there() -> None:
    roots = "|".join((*PACKAGES, "tests", "docs", "deploy", "crds"))
    broken = [
        f"{page.relative_to(ROOT)}: {named}"
        for page in pages()
        for code in re.findall(r"`([^`\n]+)`", page.read_text())
        for named in re.findall(rf"^(?:{roots})/[\w./-]*$", code)
        if not (ROOT / named).exists()
    ]
    assert broken == []


def test_no_path_of_one_machine_is_in_the_tree() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in MACHINE_PATH.finditer(text)]
    assert found == []
