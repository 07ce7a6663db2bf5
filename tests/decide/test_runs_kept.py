"""Which AnalysisRuns a Rollout takes over, keeps and forgets."""

import pytest

from tests import make
from tests.decide.bluegreen import ANALYSIS, verdict
from tests.decide.canary import V1, V2
from tests.decide.toy import Toy


def judged(*, limit: int = 5) -> Toy:
    """A canary in its analysis step, which measures."""
    limits = {"successfulRunHistoryLimit": limit, "unsuccessfulRunHistoryLimit": limit}
    toy = Toy(make.rollout({"analysis": ANALYSIS}, make.pause(), analysis=limits))
    toy.templates[(False, "check")] = make.analysis_template()
    toy.run()
    toy.image(V2)
    toy.run()
    return toy


def test_a_run_whose_start_was_not_recorded_is_taken_over() -> None:
    toy = judged()
    status = toy.status["canary"]
    toy.patch_status(canary={key: value for key, value in status.items() if "AnalysisRun" not in key})
    toy.settle()
    assert list(toy.runs) == [f"r-{make.hash_of(V2)}-2-0"]
    assert toy.status["canary"]["currentStepAnalysisRunStatus"]["name"] == f"r-{make.hash_of(V2)}-2-0"


@pytest.mark.parametrize("phase", ["Successful", "Failed"])
def test_where_none_are_kept_the_current_run_stays_and_earlier_ones_go(phase: str) -> None:
    toy = judged(limit=0)
    (current,) = toy.runs
    toy.settle()
    assert list(toy.runs) == [current]
    verdict(toy, phase)
    toy.settle()
    toy.image(V1)
    toy.run()
    assert toy.runs == {}


def test_a_run_that_measures_is_stopped_before_it_is_forgotten() -> None:
    toy = judged(limit=0)
    (current,) = toy.runs
    toy.log.clear()
    toy.image(V1)
    toy.run()
    assert [line for line in toy.log if "Run" in line and line != "UpdateRollout"] == ["StopRun", "DeleteRun"], current
