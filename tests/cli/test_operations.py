"""What each operation patches: bodies, order, words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rollouts import operations
from rollouts.kube.refs import DEPLOYMENT, EXPERIMENT, POD_TEMPLATE, ROLLOUT, Ref
from rollouts.kube.wire import PatchType
from rollouts.operations import Change, NotPossible, Operation
from tests.cli import cluster
from tests.cli.cluster import Obj

RO = Ref(ROLLOUT, "cli", "r")
CANARY = {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}]}}
BLUE_GREEN = {"blueGreen": {"activeService": "r"}}
PAUSES = [{"reason": "CanaryPauseStep"}]
INCONCLUSIVE = {"currentStepAnalysisRunStatus": {"name": "r-1", "status": "Inconclusive"}}


def status(**fields: Any) -> Change:
    return Change(RO, {"status": fields}, subresource="status")


def steps_of(change: Change) -> list[Obj]:
    """The operations of a JSON patch."""
    assert isinstance(change.patch, list)
    return change.patch


UNPAUSE = Change(RO, {"spec": {"paused": False}})


def rollout(strategy: Obj, paused: bool = False, **fields: Any) -> Obj:
    made = cluster.rollout("r", strategy, fields, replicas=2)
    return {**made, "spec": {**made["spec"], **({"paused": True} if paused else {})}}


@pytest.mark.parametrize(
    ("operation", "change", "message"),
    [
        (operations.abort("cli", "r"), status(abort=True), "rollout 'r' aborted"),
        (operations.retry("cli", "r"), status(abort=False), "rollout 'r' retried"),
        (operations.pause("cli", "r"), Change(RO, {"spec": {"paused": True}}), "rollout 'r' paused"),
        (
            operations.restart("cli", "r", datetime(2025, 1, 2, 3, 4, 5, 678, UTC), "30s"),
            Change(RO, {"spec": {"restartAt": "2025-01-02T03:04:05Z"}}),
            "rollout 'r' restarts in 30s",
        ),
        (
            operations.retry_experiment("cli", "e"),
            Change(Ref(EXPERIMENT, "cli", "e"), {"status": None}),
            "experiment 'e' retried",
        ),
        (
            operations.terminate_experiment("cli", "e"),
            Change(Ref(EXPERIMENT, "cli", "e"), {"spec": {"terminate": True}}),
            "experiment 'e' terminated",
        ),
    ],
    ids=lambda value: value.message if isinstance(value, Operation) else "",
)
def test_simple_operations_are_one_patch(operation: Operation, change: Change, message: str) -> None:
    assert operation == Operation((change,), message)


def test_terminating_a_run_is_a_matter_of_its_spec() -> None:
    (change,) = operations.terminate_analysis_run("cli", "a").changes
    assert (str(change.ref), change.patch) == ("AnalysisRun cli/a", {"spec": {"terminate": True}})


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        (rollout(CANARY, pauseConditions=PAUSES, controllerPause=True), [status(pauseConditions=None)]),
        (rollout(CANARY, True, pauseConditions=PAUSES), [status(pauseConditions=None), UNPAUSE]),
        (
            rollout(CANARY, pauseConditions=PAUSES, controllerPause=True, currentStepIndex=1, canary=INCONCLUSIVE),
            [status(pauseConditions=None, controllerPause=False, currentStepIndex=2)],
        ),
        (
            rollout(CANARY, pauseConditions=PAUSES, currentStepIndex=1, canary=INCONCLUSIVE),
            [status(pauseConditions=None)],
        ),
        (rollout(CANARY, currentStepIndex=0), [status(pauseConditions=None, currentStepIndex=1)]),
        (rollout(CANARY), [status(pauseConditions=None, currentStepIndex=1)]),
        (rollout(CANARY, True, currentStepIndex=3), [status(pauseConditions=None, currentStepIndex=3), UNPAUSE]),
        (rollout({"canary": {}}), []),
        (rollout({"canary": {}}, True), [UNPAUSE]),
        (rollout(BLUE_GREEN), []),
        (rollout(BLUE_GREEN, pauseConditions=PAUSES, controllerPause=True), [status(pauseConditions=None)]),
    ],
)
def test_promote_goes_past_a_pause_or_past_the_step(given: Obj, changes: list[Change]) -> None:
    assert operations.promote(given) == Operation(tuple(changes), "rollout 'r' promoted")


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        (rollout(CANARY, currentPodHash="b", stableRS="a"), [status(promoteFull=True)]),
        (rollout(BLUE_GREEN, True, currentPodHash="b", stableRS="a"), [status(promoteFull=True), UNPAUSE]),
        (rollout(CANARY, currentPodHash="a", stableRS="a"), []),
        (rollout(CANARY, True, currentPodHash="a", stableRS="a"), [UNPAUSE]),
    ],
)
def test_a_full_promotion_asks_for_it_only_when_there_is_something_to_promote(
    given: Obj, changes: list[Change]
) -> None:
    assert operations.promote(given, full=True) == Operation(tuple(changes), "rollout 'r' fully promoted")


def test_steps_can_be_skipped_one_or_all_without_touching_a_pause() -> None:
    given = rollout(CANARY, True, currentStepIndex=1, pauseConditions=PAUSES)
    assert operations.promote(given, skip_current=True).changes == (status(currentStepIndex=2),)
    assert operations.promote(given, skip_all=True).changes == (status(currentStepIndex=3),)
    at_the_end = rollout(CANARY, currentStepIndex=3)
    assert operations.promote(at_the_end, skip_current=True).changes == (status(currentStepIndex=3),)


@pytest.mark.parametrize(
    ("strategy", "flags", "words"),
    [
        (CANARY, {"skip_current": True, "skip_all": True}, "Cannot use skip-current-step and skip-all-steps flags"),
        (BLUE_GREEN, {"skip_current": True}, "Cannot skip steps of a bluegreen rollout"),
        ({"canary": {}}, {"skip_all": True}, "Cannot skip steps of a rollout without steps"),
        (CANARY, {"full": True, "skip_all": True}, "Cannot use full together with"),
    ],
)
def test_skipping_what_is_not_there_is_refused(strategy: Obj, flags: dict[str, bool], words: str) -> None:
    with pytest.raises(NotPossible, match=words):
        operations.promote(rollout(strategy), **flags)


def test_an_image_is_set_wherever_the_container_stands_and_only_while_it_stands_there() -> None:
    given = rollout(CANARY)
    given["spec"]["template"]["spec"] = {
        "initContainers": [{"name": "c", "image": "img:1"}],
        "containers": [{"name": "side"}, {"name": "c", "image": "img:1"}],
    }
    operation = operations.set_image(given, RO, {"c": "img:3"})
    path = "/spec/template/spec"
    assert operation.message == 'rollout "r" image updated'
    assert operation.changes == (
        Change(
            RO,
            [
                {"op": "test", "path": f"{path}/initContainers/0/name", "value": "c"},
                {"op": "add", "path": f"{path}/initContainers/0/image", "value": "img:3"},
                {"op": "test", "path": f"{path}/containers/1/name", "value": "c"},
                {"op": "add", "path": f"{path}/containers/1/image", "value": "img:3"},
            ],
            PatchType.JSON,
        ),
    )
    (change,) = operations.set_image(given, RO, {"*": "img:4"}).changes
    assert [each["path"] for each in steps_of(change) if each["op"] == "add"] == [
        f"{path}/initContainers/0/image",
        f"{path}/containers/0/image",
        f"{path}/containers/1/image",
    ]


def test_an_image_for_a_container_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotPossible, match=r'^unable to find container named "nope"$'):
        operations.set_image(rollout(CANARY), RO, {"nope": "img:3"})


def test_a_rollout_that_refers_to_a_workload_has_its_template_there() -> None:
    given = rollout(CANARY)
    assert operations.workload_of(given) is None
    given["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    assert operations.workload_of(given) == Ref(DEPLOYMENT, "cli", "d")
    given["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s"}
    with pytest.raises(NotPossible, match=r"^workload of type apps/StatefulSet is not supported$"):
        operations.workload_of(given)


def history(given: Obj) -> list[Obj]:
    images = {1: "img:1", 2: "img:0", 3: "img:2"}
    return [cluster.replica_set(given, f"hash{revision}", revision, 0, 9, image) for revision, image in images.items()]


def test_undo_brings_back_the_template_of_the_revision_before_without_its_hash() -> None:
    given = rollout(CANARY)
    (change,) = operations.undo(given, history(given)).changes
    assert change == Change(
        RO,
        [
            {
                "op": "replace",
                "path": "/spec/template",
                "value": {
                    "metadata": {"labels": {"app": "r"}},
                    "spec": {"containers": [{"name": "c", "image": "img:0"}]},
                },
            }
        ],
        PatchType.JSON,
    )


def test_undo_can_go_back_further_and_says_when_there_is_nothing_to_do() -> None:
    given = rollout(CANARY)
    (change,) = operations.undo(given, history(given), to_revision=1).changes
    assert steps_of(change)[0]["value"]["spec"]["containers"][0]["image"] == "img:1"
    nothing = operations.undo(given, history(given), to_revision=3)
    assert nothing == Operation((), "skipped rollback (current template already matches revision 3)")


def test_undo_does_not_mistake_defaults_of_the_api_server_for_a_difference() -> None:
    given = rollout(CANARY)
    earlier = history(given)
    earlier[2]["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"
    assert operations.undo(given, earlier, to_revision=3).changes == ()
    earlier[2]["spec"]["template"]["spec"]["dnsPolicy"] = "Default"
    assert len(operations.undo(given, earlier, to_revision=3).changes) == 1
    earlier[2]["spec"]["template"]["spec"]["containers"] = "none"
    assert len(operations.undo(given, earlier, to_revision=3).changes) == 1


def test_undo_leaves_behind_the_metadata_that_a_role_gave_the_replica_set() -> None:
    given = rollout(CANARY)
    earlier = history(given)
    injected = '{"labels":{"role":"stable"},"annotations":{"note":"old"}}'
    earlier[1]["metadata"]["annotations"]["rollout.argoproj.io/ephemeral-metadata"] = injected
    earlier[1]["spec"]["template"]["metadata"]["labels"]["role"] = "stable"
    earlier[1]["spec"]["template"]["metadata"]["annotations"] = {"note": "old"}
    (change,) = operations.undo(given, earlier).changes
    assert steps_of(change)[0]["value"]["metadata"] == {"labels": {"app": "r"}}


@pytest.mark.parametrize(
    ("kept", "revision", "words"),
    [
        (1, 0, '^no revision found for rollout "r"$'),
        (0, 0, '^no revision found for rollout "r"$'),
        (3, 7, "^unable to find specified revision 7 in history$"),
    ],
)
def test_undo_without_such_a_revision_is_refused(kept: int, revision: int, words: str) -> None:
    given = rollout(CANARY)
    with pytest.raises(NotPossible, match=words):
        operations.undo(given, history(given)[:kept], to_revision=revision)


def test_undo_counts_no_replica_set_of_somebody_else() -> None:
    given = rollout(CANARY)
    other = cluster.rollout("other", CANARY, {}, replicas=1)
    foreign = cluster.replica_set(other, "x", 9, 1, 9, "img:9")
    (change,) = operations.undo(given, [*history(given), foreign]).changes
    assert steps_of(change)[0]["value"]["spec"]["containers"][0]["image"] == "img:0"


def test_undo_of_a_referring_rollout_changes_the_workload() -> None:
    given = rollout(CANARY)
    given["spec"]["workloadRef"] = {"apiVersion": "v1", "kind": "PodTemplate", "name": "p"}
    (change,) = operations.undo(given, history(given), {"template": {}}).changes
    assert change.ref == Ref(POD_TEMPLATE, "cli", "p")
    assert steps_of(change)[0]["path"] == "/template"
