"""Deployments as the yardstick: rolled when nothing of the former version is left; told per Deployment."""

import pytest

from rollouts.kube.refs import Obj
from rollouts.sandbox.bench import parse, report
from rollouts.sandbox.bench.deployments import Rolled, deployment, is_rolled


def told(**counts: int) -> Obj:
    whole = {"observedGeneration": 2, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 4}
    return {**deployment(0), "metadata": {"generation": 2}, "status": {**whole, **counts}}


def test_it_is_rolled_when_all_pods_are_new_and_available() -> None:
    assert is_rolled(told())


@pytest.mark.parametrize("count", ["observedGeneration", "replicas", "updatedReplicas", "availableReplicas"])
def test_it_is_not_before_each_count_says_so(count: str) -> None:
    assert not is_rolled(told(**{count: 5 if count == "replicas" else 1}))


def test_cpu_is_told_for_each_and_nothing_is_promised() -> None:
    rows = report.rolled_rows(Rolled(100, 10.5, {"etcd": 2.0, "kube-apiserver": 12.0}))
    assert {row.key: row.value for row in rows} == {
        "rolled_s": 10.5,
        "cpu_ms_etcd": 20.0,
        "cpu_ms_kube-apiserver": 120.0,
        "cpu_ms": 140.0,
    }
    assert not any(row.missed for row in rows)


def test_they_are_measured_in_place_of_rollouts() -> None:
    options = parse(["--cluster", "--deployments", "-n", "1", "100"])
    assert (options.deployments, options.cases, options.sizes) == (True, (), (1, 100))
