"""What stands in the way of an AnalysisRun is remembered for as long as nothing it follows from is changed."""

from dataclasses import replace

from rollouts.decide.references import fault
from tests import make


def test_a_template_that_is_changed_is_judged_anew() -> None:
    step = {"analysis": {"templates": [{"templateName": "check"}]}}
    well = make.analysis_template()
    metrics = {"metrics": well.spec.metrics * 2}
    broken = well.model_copy(update={"spec": well.spec.model_copy(update=metrics)})
    world = make.world(make.rollout(step), templates={(False, "check"): well})
    assert fault(world) == ""
    assert fault(replace(world, templates={(False, "check"): broken})).endswith("two metrics have the same name 'm'")
    assert fault(world) == ""
