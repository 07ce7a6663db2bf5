"""The stories that are told on the sandbox, on a real control plane."""

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from tests.cluster.stage import Doors, RealStage
from tests.stories import (
    test_analysis,
    test_astray,
    test_bad_input,
    test_bluegreen,
    test_compared,
    test_course,
    test_evidence,
    test_experiment,
    test_experiment_analyses,
    test_experiment_step,
    test_faults,
    test_istio,
    test_jobs,
    test_outages,
    test_overtaken,
    test_ownership,
    test_ping_pong,
    test_prometheus,
    test_proof,
    test_providers,
    test_restart,
    test_router_edges,
    test_router_experiments,
    test_routers,
    test_told,
    test_told_prometheus,
    test_unheard,
    test_waiting_measurements,
    test_workload,
    test_workload_scale,
)
from tests.stories.families import FAMILIES
from tests.stories.stage import Stage

Story: TypeAlias = Callable[..., Awaitable[None]]

_LONG = "its pauses, delays and deadlines are longer than a test may take where time cannot be skipped"
_WINDOWS = "proof of traffic is asked for over half a minute and longer, and of Prometheus alone"
_COUNTED = "it counts measurements within seconds that have to pass, and while something else is late"
_STILL = "it refuses each write once, and with a clock that goes on no second attempt equals the first"
_FLEETING = "it tells every phase, and some of them last only until the next news is heard"
_MANY = "it kills a controller after each of its writes, in minutes where time is real"
_TWO = "it takes two clusters"
_QUICK = "it measures how fast something comes, which is for a machine to tell that does nothing else"
_EACH_WRITE = "it looks at the store after every single write"
_UNSURE = "it was seen to fail on a real cluster now and then, and nobody knows yet why"

ELSEWHERE: dict[str, str] = {
    f"test_{name}": reason
    for reason, names in {
        _LONG: (
            "a_timed_pause_takes_its_time_and_not_a_second_more",
            "a_paused_spec_stops_pods_and_steps_until_it_is_resumed",
            "traffic_waits_for_all_pods_of_the_step",
            "the_old_pods_stay_for_thirty_seconds_unless_told_otherwise",
            "an_error_aborts_after_five_attempts_ten_seconds_apart",
            "an_end_that_nobody_tells_of_is_noticed_by_the_clock",
            "a_run_made_by_hand_is_measured_and_outlives_its_use_no_longer_than_told",
            "two_versions_run_beside_each_other_until_the_duration_is_over",
            "a_lost_pod_takes_the_experiment_back_to_pending_until_it_is_replaced",
            "a_settled_experiment_costs_no_calls_all_day",
            "a_step_waits_for_enough_samples_and_then_passes",
            "too_little_traffic_pauses_the_release_and_aborts_nothing",
            "the_analysis_of_an_experiment_weighs_too",
            "three_percent_of_errors_abort_a_release_that_a_line_at_five_lets_through",
            "a_healthy_release_at_low_traffic_is_not_aborted",
            "what_was_compared_outlives_the_controller",
            "an_objective_of_pyrra_aborts_a_release_that_burns_its_budget",
            "a_failure_that_lasts_is_tried_again_ever_more_rarely",
            "a_controller_killed_at_a_pause_is_followed_by_one_that_keeps_the_time",
            "a_pause_that_ends_while_no_controller_is_there_ends_when_one_comes",
            "trouble_is_an_error_that_is_measured_again_and_told_in_words",
            "trouble_that_lasts_aborts_and_gives_the_traffic_back",
            "a_server_that_is_away_for_a_while_fails_no_background_analysis",
            "every_update_is_counted_once_by_how_it_ended",
            "a_new_image_is_released",
            "an_abort_is_heeded",
            "what_cannot_be_done_now_is_told_by_an_event_and_done_later",
            "an_eviction_that_a_budget_forbids_is_tried_again_each_half_minute",
        ),
        _WINDOWS: (
            "a_step_is_over_when_its_share_was_seen",
            "traffic_that_does_not_follow_is_told_once_and_ends_the_update_after_the_longest_wait",
            "an_update_that_does_not_get_all_of_the_traffic_is_taken_back",
            "a_canary_that_was_given_up_keeps_its_pods_until_nobody_sends_it_requests",
            "a_leak_that_does_not_end_is_told_when_the_pods_go",
            "old_pods_stay_after_a_promotion_until_nobody_sends_them_requests",
            "too_few_requests_hold_up_nothing_for_longer_than_is_asked_for",
            "a_release_may_be_given_up_when_nothing_can_be_proven",
            "without_any_requests_no_version_counts_as_silent",
            "a_controller_that_starts_anew_goes_on_waiting_from_where_the_other_was",
            "a_canary_that_another_one_replaces_is_emptied_before_the_new_one_gets_anything",
            "stable_pods_that_follow_the_weights_stay_until_their_share_was_seen_to_leave",
            "a_canary_whose_share_a_step_takes_away_keeps_its_pods_until_it_is_silent",
            "the_progress_deadline_does_not_run_while_proof_is_waited_for",
            "what_the_active_service_has_left_goes_when_nobody_sends_it_requests",
            "an_annotation_that_is_taken_away_takes_its_waits_along",
        ),
        _COUNTED: (
            "a_run_that_measures_every_second_is_written_every_five",
            "a_run_that_measures_every_six_seconds_is_written_each_time",
            "what_waits_is_stored_when_the_controller_stops",
            "what_waited_when_the_controller_died_is_measured_again",
            "a_run_that_is_told_to_stop_ends_with_all_that_was_measured",
            "a_status_that_somebody_else_writes_is_taken_over",
            "a_label_that_somebody_sets_loses_nothing",
            "an_interval_lasts_to_the_fraction_of_a_second",
        ),
        _MANY: ("a_hand_over_ends_whenever_its_controller_is_killed",),
        _FLEETING: ("a_release_waits_behind_the_preview_until_somebody_promotes",),
        _STILL: (
            "a_conflict_on_every_first_write_only_costs_a_second_look",
            "a_server_that_asks_for_patience_is_given_it",
        ),
        _QUICK: ("an_undo_within_the_scale_down_delay_is_there_at_once",),
        _EACH_WRITE: ("a_controller_that_is_killed_at_any_write_starts_each_run_and_each_experiment_once",),
        _UNSURE: (
            "with_onsuccess_the_deployment_goes_once_the_rollout_is_healthy",
            "an_orphaned_replica_set_of_ours_is_taken_over_without_a_restart",
            "a_retry_runs_it_anew",
        ),
        _TWO: ("jobs_in_another_cluster_are_made_watched_and_deleted_there",),
    }.items()
    for name in names
}
"""Stories that only the sandbox can tell, and why."""


FEW: dict[str, int] = {
    "test_nothing_is_written_while_nothing_changes": 3,
    "test_pods_that_never_become_ready_get_no_traffic_and_miss_the_deadline": 3,
    "test_a_first_release_touches_no_routing_object_before_it_is_stable": 3,
}
"""Stories that are told with the first few of their parameters: the others take minutes, or a real API server knows no
difference."""

NOT_TOLD: dict[str, str] = {
    "test_balancers": "load balancers are those of AWS, and it plays them under a clock of its own",
    "test_day": "it is about a whole day",
    "test_killed": _EACH_WRITE,
    "test_rerouted": _EACH_WRITE,
    "test_router_flags": "no cluster is asked for anything",
    "test_workload_kubectl": "it has kubectl's own sandbox, and test_process tells of kubectl here",
}
"""Modules of stories that only the sandbox can tell, and why."""

_BRIEF = (
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
"""Modules whose stories are told before each change is taken; those of the others are told at length."""

_TOLD = (
    *_BRIEF,
    test_experiment_analyses,
    test_workload,
    test_workload_scale,
    test_restart,
    test_ping_pong,
    test_routers,
    test_router_edges,
    test_router_experiments,
    test_outages,
    test_overtaken,
    test_astray,
    test_unheard,
    test_faults,
    test_proof,
    test_prometheus,
    test_waiting_measurements,
    test_told,
    test_told_prometheus,
)


AT_LENGTH = frozenset(
    {
        "test_a_deleted_experiment_leaves_nothing_behind",
        "test_a_deleted_rollout_leaves_no_pods_and_its_services_free",
        "test_a_failure_in_the_background_aborts_even_at_a_pause",
        "test_a_failure_in_the_background_takes_the_traffic_back",
        "test_a_fixed_service_name_is_handed_on_from_one_experiment_to_the_next",
        "test_a_full_promotion_skips_everything_but_pods",
        "test_a_pause_longer_than_the_progress_deadline_is_no_failure",
        "test_a_preview_of_one_pod_grows_before_users_come",
        "test_a_step_may_ask_for_none_and_for_all",
        "test_a_step_starts_an_experiment_of_both_versions_and_waits_for_its_end",
        "test_a_switch_moves_all_users_at_once",
        "test_a_third_template_gets_traffic_only_on_its_own_pods",
        "test_a_version_with_a_service_is_reached_by_it_while_it_lasts",
        "test_an_abort_ends_the_run",
        "test_an_abort_takes_traffic_back_at_once_and_the_canary_down_later",
        "test_an_experiment_that_is_made_again_waits_for_the_pods_of_the_former_to_go",
        "test_an_orphaned_replica_set_with_equal_pods_is_taken_over",
        "test_an_unclear_background_pauses_and_a_promotion_measures_anew",
        "test_events_tell_an_update_in_the_order_in_which_it_happened",
        "test_failures_within_the_limit_are_forgiven",
        "test_jobs_go_with_their_run",
        "test_many_runs_that_ask_the_same_at_once_cost_one_query",
        "test_promotion_in_the_middle_of_a_step_skips_it",
        "test_scaling_in_the_middle_keeps_the_share",
        "test_scaling_up_in_the_middle_moves_no_traffic_to_missing_pods",
        "test_the_background_begins_with_its_step_and_ends_with_the_promotion",
        "test_the_end_of_a_job_is_noticed_when_it_happens",
        "test_the_progress_deadline_is_reported_and_taken_back_when_pods_come",
        "test_the_service_of_an_experiment_that_ends_is_waited_for",
        "test_the_stable_template_again_empties_the_canary",
        "test_traffic_follows_the_steps_and_comes_back_to_the_stable_service",
        "test_traffic_leaves_an_experiment_before_its_pods_and_services_go",
        "test_users_are_taken_back_from_a_release_that_fails_after_the_switch",
        "test_versions_that_do_not_come_up_abort_the_update_at_the_rollouts_deadline",
        "test_without_a_port_there_is_no_service",
    }
)
"""Stories of the brief modules that are told at length only: they take their time, or need a machine that has some."""


def _marks(module: ModuleType, name: str) -> list[pytest.MarkDecorator]:
    return [] if module in _BRIEF and name not in AT_LENGTH else [pytest.mark.at_length]


def stories() -> Iterator[Any]:
    """Every story with its own parameters."""
    for module in _TOLD:
        for name, story in vars(module).items():
            if name.startswith("test_") and inspect.iscoroutinefunction(story) and not _needs_the_sandbox(story):
                for number, given in enumerate(_parameters(story)[: FEW.get(name)]):
                    marks = _marks(module, name)
                    yield pytest.param(story, given, id=f"{name}[{number}]" if given else name, marks=marks)


def _needs_the_sandbox(story: Story) -> bool:
    """Whether it looks into the sandbox's store, or was found to need more."""
    return story.__name__ in ELSEWHERE or "stage.server" in inspect.getsource(story)


def _parameters(story: Story) -> list[dict[str, Any]]:
    """What a story is to be told with, one set for each telling."""
    given: list[dict[str, Any]] = [{}]
    if "family" in inspect.signature(story).parameters:
        given = [{"family": family} for family in FAMILIES.values()]
    for mark in getattr(story, "pytestmark", ()):
        if mark.name == "parametrize":
            names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
            rows = [row if len(names) > 1 else (row,) for row in mark.args[1]]
            given = [one | dict(zip(names, row, strict=True)) for one in given for row in rows]
    return given


def _on_a_real_cluster(module: ModuleType, doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a module's stages, its own kinds included, stand on a real cluster."""
    for name, kind in list(vars(module).items()):
        if isinstance(kind, type) and issubclass(kind, Stage):
            real = RealStage if kind is Stage else type(f"Real{name}", (kind, RealStage), {})
            monkeypatch.setattr(module, name, functools.partial(real, doors))


def test_every_story_is_told_here_or_has_a_reason_not_to_be() -> None:
    modules = {f"tests.stories.{path.stem}" for path in Path(test_course.__file__).parent.glob("test_*.py")}
    assert modules == {module.__name__ for module in _TOLD} | {f"tests.stories.{name}" for name in NOT_TOLD}
    told = {name for module in _TOLD for name, story in vars(module).items() if inspect.iscoroutinefunction(story)}
    assert (ELSEWHERE.keys() | AT_LENGTH) - told == set()
    assert ELSEWHERE.keys() & AT_LENGTH == set()


@pytest.mark.cluster
@pytest.mark.parametrize(("story", "given"), list(stories()))
async def test_a_story_holds_on_a_real_cluster(
    story: Story, given: dict[str, Any], doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _on_a_real_cluster(sys.modules[story.__module__], doors, monkeypatch)
    lent = {"monkeypatch": monkeypatch} if "monkeypatch" in inspect.signature(story).parameters else {}
    await story(**given, **lent)
