"""What people and scripts see of known Rollouts, character by character."""

from datetime import timedelta
from pathlib import Path

import pytest

from rollouts.cli.tables import experiments_table, rollout_row, rollouts_header, table
from rollouts.cli.tree import Screen
from rollouts.view import RolloutInfo, experiment_info, rollout_info
from tests.cli import cluster

SCREENS = Path(__file__).parent / "screens"


def expected(name: str) -> str:
    return (SCREENS / f"{name}.txt").read_text(encoding="utf-8")


def info_of(objs: list[cluster.Obj]) -> RolloutInfo:
    (rollout,) = cluster.kind(objs, "Rollout")
    return rollout_info(
        rollout,
        cluster.kind(objs, "ReplicaSet"),
        cluster.kind(objs, "Pod"),
        cluster.kind(objs, "AnalysisRun"),
        cluster.kind(objs, "Experiment"),
    )


@pytest.mark.parametrize(
    ("screen", "objs"),
    [
        ("rollout-routed", cluster.routed()),
        ("rollout-bluegreen", cluster.bluegreen()),
        ("rollout-aborted", cluster.aborted()),
        ("rollout-experiment", cluster.experimenting()),
        ("rollout-invalid", cluster.invalid()),
    ],
)
def test_a_rollout_looks_as_it_always_did(screen: str, objs: list[cluster.Obj]) -> None:
    assert Screen(cluster.NOW).rollout(info_of(objs)) == expected(screen)


def test_objects_of_other_rollouts_in_the_namespace_are_not_shown() -> None:
    everything = [*cluster.routed(), *cluster.bluegreen()[1:], *cluster.experimenting()[1:]]
    assert Screen(cluster.NOW).rollout(info_of(everything)) == expected("rollout-routed")


def test_an_experiment_looks_as_it_always_did() -> None:
    objs = cluster.experimenting()
    (experiment,) = cluster.kind(objs, "Experiment")
    info = experiment_info(experiment, cluster.kind(objs, "ReplicaSet"), cluster.kind(objs, "Pod"))
    a_second_later = cluster.NOW + timedelta(seconds=1)
    assert Screen(a_second_later).experiment(info) == expected("experiment")


def test_the_list_of_rollouts_is_padded_so_that_later_rows_line_up() -> None:
    sets = [cluster.bluegreen(), cluster.experimenting(), cluster.aborted(), cluster.invalid(), cluster.routed()]
    rollouts = [cluster.kind(objs, "Rollout")[0] for objs in sets]
    assert table([rollouts_header(), *map(rollout_row, rollouts)]) == expected("list-rollouts")


def test_a_list_over_all_namespaces_with_timestamps_has_two_more_columns() -> None:
    (rollout,) = cluster.kind(cluster.routed(), "Rollout")
    header = rollouts_header(namespaces=True, timestamps=True)
    row = rollout_row(rollout, namespaces=True, timestamp=cluster.NOW)
    assert header[:3] == ["TIMESTAMP", "NAMESPACE", "NAME"]
    assert row[:3] == ["2025-03-01T12:00:00Z", "cli      ", "r         "]
    assert len(row) == len(header)


def test_the_list_of_experiments_says_how_long_each_still_runs() -> None:
    assert experiments_table(cluster.kind(cluster.experimenting(), "Experiment"), cluster.NOW) == expected(
        "list-experiments"
    )


def test_colour_changes_no_column() -> None:
    plain = Screen(cluster.NOW).rollout(info_of(cluster.routed()))
    coloured = Screen(cluster.NOW, colour=True).rollout(info_of(cluster.routed()))
    assert "\x1b[32m✔\x1b[0m" in coloured
    assert "\x1b[33mcanary\x1b[0m" in coloured
    for code in ("31", "32", "33", "94", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


def test_a_replica_set_that_is_kept_for_a_while_says_how_long() -> None:
    objs = cluster.routed()
    annotations = cluster.kind(objs, "ReplicaSet")[0]["metadata"]["annotations"]
    annotations["scale-down-deadline"] = cluster.ago(-27)
    assert "stable,delay:27s\n" in Screen(cluster.NOW).rollout(info_of(objs))
    later = cluster.NOW + timedelta(seconds=28)
    assert "stable,delay:passed\n" in Screen(later).rollout(info_of(objs))


def test_a_job_behind_a_measurement_stands_under_its_run() -> None:
    objs = cluster.routed()
    (run,) = cluster.kind(objs, "AnalysisRun")
    measurement = {"phase": "Failed", "startedAt": cluster.ago(9), "metadata": {"job-name": "r-job"}}
    run["status"]["metricResults"][0]["measurements"] = [measurement]
    assert "│     └──⊞ r-job               Job          ✖ Failed      9s   \n" in Screen(cluster.NOW).rollout(
        info_of(objs)
    )
