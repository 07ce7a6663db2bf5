"""Moments of an Experiment that are seen late, as by a controller that was away."""

from tests.experiment.objects import version
from tests.experiment.toy import Toy


def test_a_duration_that_is_over_by_the_next_look_ends_it_in_that_very_pass() -> None:
    toy = Toy({"templates": [version() | {"name": "a"}], "duration": "5s", "scaleDownDelaySeconds": 0})
    toy.settle()
    toy.ready()
    toy.settle()
    assert toy.status.phase == "Running"
    toy.wait(10)
    toy.step()
    assert toy.status.phase == "Successful"
    toy.settle()
    assert [rs.replicas for rs in toy.sets.values()] == [0]
