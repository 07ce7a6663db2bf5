"""What the pages say is so: refusals, manifests, layers."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from analysis.metricprovider import MetricProvider
from analysis.providers.registry import PROVIDERS
from rollouts.api.rollout import Rollout
from rollouts.api.support import NOT_SUPPORTED_YET
from rollouts.decide.references import spec_fault
from rollouts.sandbox.kubelet.script import PodScript
from rollouts.settings.flags import FLAGS

ROOT = Path(__file__).parents[1]
COMPAT = (ROOT / "docs" / "compat.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
README = (ROOT / "README.md").read_text()


def listed(name: str) -> str:
    block = re.search(rf"<!-- refused {name} -->\n(.*?)<!-- end -->", COMPAT, re.DOTALL)
    assert block is not None
    return block[1]


def test_the_page_lists_the_fields_that_are_refused() -> None:
    assert listed("fields") == "".join(f"- `{field}`\n" for field in NOT_SUPPORTED_YET)


def test_the_page_lists_the_providers_that_are_refused() -> None:
    names = sorted(field.alias or name for name, field in MetricProvider.model_fields.items())
    assert listed("providers") == "".join(f"- `{name}`\n" for name in names if name not in PROVIDERS)


def test_the_page_lists_the_flags_that_are_refused() -> None:
    assert listed("flags") == "".join(f"- `--{flag.name}`: {flag.refused}\n" for flag in FLAGS if flag.refused)


@pytest.mark.parametrize("package", ["rollouts", "analysis"])
def test_the_page_draws_every_layer(package: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == [package])
    drawn = re.search(r"```\ncli\n(.*?)```", ARCHITECTURE, re.DOTALL)
    assert drawn is not None
    words = re.findall(r"\w+", "cli " + drawn[1])
    assert [name for layer in layers for name in re.findall(r"\w+", layer) if name not in words] == []


def manifests() -> list[dict[str, object]]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [obj for block in blocks for obj in yaml.safe_load_all(block) if obj.get("kind") == "Rollout"]


def test_rollouts_that_the_readme_shows_are_accepted() -> None:
    assert manifests()
    faults = [spec_fault(Rollout.model_validate(manifest)) for manifest in manifests()]
    assert [fault for fault in faults if fault] == []


def test_the_page_of_the_sandbox_explains_every_annotation() -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text()
    table = re.findall(r"^\| `([a-z-]+)` ", page, re.MULTILINE)
    assert table
    for name in table:
        values = {"ready": "never", "crash": "always", "image-pull": "fail", "job-result": "fail", "error-rate": "0.1"}
        assert PodScript.from_annotations({f"sandbox.rollouts.dev/{name}": values.get(name, "1s")}) != PodScript(), name
