"""The example on the page about `rollouts test` passes, as printed."""

import re
from pathlib import Path

from rollouts.analysistest import run_tests

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"

SUCCESS_RATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success-rate}
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


def test_the_example_of_the_documentation_passes(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(kind: AnalysisTest\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    (tmp_path / "test.yaml").write_text(example[1])
    (tmp_path / "template.yaml").write_text(SUCCESS_RATE)
    outcomes = run_tests([str(tmp_path)])
    assert [(one.name, one.faults) for one in outcomes] == [
        ("a bad minute is forgiven", ()),
        ("the fourth bad reading aborts", ()),
        ("without traffic there is no verdict but an error", ()),
    ]
