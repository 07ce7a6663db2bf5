"""The stories that are told on the sandbox, on a real control plane."""

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest

from tests.cluster.stage import Doors, RealStage
from tests.stories import (
    test_analysis,
    test_bad_input,
    test_bluegreen,
    test_compared,
    test_course,
    test_evidence,
    test_experiment,
    test_experiment_step,
    test_istio,
    test_jobs,
    test_ownership,
    test_providers,
)

pytestmark = pytest.mark.cluster

Story: TypeAlias = Callable[..., Awaitable[None]]

_LONG = "its pauses, delays and deadlines are longer than a test may take where time cannot be skipped"
_TWO = "it takes two clusters"
_EACH_WRITE = "it looks at the store after every single write"
_OTHERS = "it counts all Services, and a real cluster has one of its own"
_GARBAGE = "a real garbage collector takes half a minute to hear of a new kind; test_process has one that waits for it"
_AT_ONCE = "it asks for what the sandbox does at once and a real cluster a moment later"

ELSEWHERE: dict[str, str] = {
    f"test_{name}": reason
    for reason, names in {
        _LONG: (
            "events_tell_an_update_in_the_order_in_which_it_happened",
            "a_timed_pause_takes_its_time_and_not_a_second_more",
            "promotion_in_the_middle_of_a_step_skips_it",
            "scaling_in_the_middle_keeps_the_share",
            "the_progress_deadline_is_reported_and_taken_back_when_pods_come",
            "a_pause_longer_than_the_progress_deadline_is_no_failure",
            "a_paused_spec_stops_pods_and_steps_until_it_is_resumed",
            "traffic_waits_for_all_pods_of_the_step",
            "the_old_pods_stay_for_thirty_seconds_unless_told_otherwise",
            "an_error_aborts_after_five_attempts_ten_seconds_apart",
            "failures_within_the_limit_are_forgiven",
            "a_failure_in_the_background_aborts_even_at_a_pause",
            "a_failure_in_the_background_takes_the_traffic_back",
            "the_background_begins_with_its_step_and_ends_with_the_promotion",
            "an_unclear_background_pauses_and_a_promotion_measures_anew",
            "the_end_of_a_job_is_noticed_when_it_happens",
            "an_end_that_nobody_tells_of_is_noticed_by_the_clock",
            "a_run_made_by_hand_is_measured_and_outlives_its_use_no_longer_than_told",
            "two_versions_run_beside_each_other_until_the_duration_is_over",
            "a_lost_pod_takes_the_experiment_back_to_pending_until_it_is_replaced",
            "a_retry_runs_it_anew",
            "a_version_with_a_service_is_reached_by_it_while_it_lasts",
            "the_service_of_an_experiment_that_ends_is_waited_for",
            "a_settled_experiment_costs_no_calls_all_day",
            "a_step_starts_an_experiment_of_both_versions_and_waits_for_its_end",
            "a_step_waits_for_enough_samples_and_then_passes",
            "too_little_traffic_pauses_the_release_and_aborts_nothing",
            "the_analysis_of_an_experiment_weighs_too",
            "three_percent_of_errors_abort_a_release_that_a_line_at_five_lets_through",
            "a_healthy_release_at_low_traffic_is_not_aborted",
            "what_was_compared_outlives_the_controller",
            "an_objective_of_pyrra_aborts_a_release_that_burns_its_budget",
            "versions_that_do_not_come_up_abort_the_update_at_the_rollouts_deadline",
        ),
        _EACH_WRITE: (
            "traffic_follows_the_steps_and_comes_back_to_the_stable_service",
            "an_abort_takes_traffic_back_at_once_and_the_canary_down_later",
            "the_stable_template_again_empties_the_canary",
            "a_third_template_gets_traffic_only_on_its_own_pods",
            "scaling_up_in_the_middle_moves_no_traffic_to_missing_pods",
            "a_step_may_ask_for_none_and_for_all",
            "a_release_waits_behind_the_preview_until_somebody_promotes",
            "a_switch_moves_all_users_at_once",
            "users_are_taken_back_from_a_release_that_fails_after_the_switch",
            "an_undo_within_the_scale_down_delay_is_there_at_once",
            "a_preview_of_one_pod_grows_before_users_come",
            "a_full_promotion_skips_everything_but_pods",
            "traffic_leaves_an_experiment_before_its_pods_and_services_go",
            "a_fixed_service_name_is_handed_on_from_one_experiment_to_the_next",
            "a_controller_that_is_killed_at_any_write_starts_each_run_and_each_experiment_once",
        ),
        _OTHERS: ("without_a_port_there_is_no_service", "a_deleted_experiment_leaves_nothing_behind"),
        _TWO: ("jobs_in_another_cluster_are_made_watched_and_deleted_there",),
        _AT_ONCE: (
            "an_abort_ends_the_run",
            "many_runs_that_ask_the_same_at_once_cost_one_query",
            "an_orphaned_replica_set_of_ours_is_taken_over_without_a_restart",
        ),
        _GARBAGE: (
            "an_experiment_that_is_made_again_waits_for_the_pods_of_the_former_to_go",
            "an_orphaned_replica_set_with_equal_pods_is_taken_over",
            "a_deleted_rollout_leaves_no_pods_and_its_services_free",
            "jobs_go_with_their_run",
        ),
    }.items()
    for name in names
}
"""Stories that only the sandbox can tell, and why."""


_TOLD = (
    test_course,
    test_bluegreen,
    test_istio,
    test_analysis,
    test_evidence,
    test_compared,
    test_jobs,
    test_providers,
    test_ownership,
    test_bad_input,
    test_experiment,
    test_experiment_step,
)


def stories() -> Iterator[Any]:
    """Every story with its own parameters."""
    for module in _TOLD:
        for name, story in vars(module).items():
            if name.startswith("test_") and inspect.iscoroutinefunction(story) and not _needs_the_sandbox(story):
                for number, given in enumerate(_parameters(story)):
                    yield pytest.param(story, given, id=f"{name}[{number}]" if given else name)


def _needs_the_sandbox(story: Story) -> bool:
    """Whether it looks into the sandbox's store, or was found to need more."""
    return story.__name__ in ELSEWHERE or "stage.server" in inspect.getsource(story)


def _parameters(story: Story) -> list[dict[str, Any]]:
    """What a story is to be told with, one set for each telling."""
    given: list[dict[str, Any]] = [{}]
    for mark in getattr(story, "pytestmark", ()):
        if mark.name == "parametrize":
            names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
            rows = [row if len(names) > 1 else (row,) for row in mark.args[1]]
            given = [one | dict(zip(names, row, strict=True)) for one in given for row in rows]
    return given


@pytest.mark.parametrize(("story", "given"), list(stories()))
async def test_a_story_holds_on_a_real_cluster(
    story: Story, given: dict[str, Any], doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[story.__module__], "Stage", functools.partial(RealStage, doors))
    lent = {"monkeypatch": monkeypatch} if "monkeypatch" in inspect.signature(story).parameters else {}
    await story(**given, **lent)
