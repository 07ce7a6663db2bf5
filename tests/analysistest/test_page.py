"""The examples on the pages about `rollouts test` and about comparisons pass, as printed."""

import re
from pathlib import Path

from rollouts.analysistest import run_tests

DOCS = Path(__file__).parents[2] / "docs"
CHECKS, COMPARISON = DOCS / "checks.md", DOCS / "guide" / "sequential.md"

SUCCESS_RATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata:
  name: success-rate
spec:
  args: [{name: service-name}]
  metrics:
    - name: success-rate
      interval: 30s
      failureLimit: 3
      successCondition: result[0] >= 0.99
      provider:
        prometheus: {address: http://prometheus:9090, query: 'up{service="{{args.service-name}}"}'}
"""


def passed(folder: Path, page: Path, template: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each test of the example on a page, with what was not as expected."""
    example = re.search(r"```yaml\n(kind: AnalysisTest\n.*?)```", page.read_text(), re.DOTALL)
    assert example is not None
    (folder / "test.yaml").write_text(example[1])
    (folder / "template.yaml").write_text(template)
    return [(one.name, one.faults) for one in run_tests([str(folder)])]


def test_the_example_of_the_documentation_passes(tmp_path: Path) -> None:
    assert passed(tmp_path, CHECKS, SUCCESS_RATE) == [
        ("a bad minute is forgiven", ()),
        ("the fourth bad reading aborts", ()),
        ("without traffic there is no verdict but an error", ()),
    ]


def test_the_example_of_a_comparison_passes_with_the_annotation_as_printed(tmp_path: Path) -> None:
    annotation = re.search(r"  annotations:\n.*?\n(?=spec:)", COMPARISON.read_text(), re.DOTALL)
    assert annotation is not None
    template = SUCCESS_RATE.replace("  name: success-rate\nspec", f"  name: success-rate\n{annotation[0]}spec")
    assert passed(tmp_path, COMPARISON, template) == [
        ("three percent of errors, and stable has half a percent", ()),
        ("as bad as stable, for an hour", ()),
        ("a quiet night asks a person", ()),
    ]
