"""spec.workloadRef: the template comes from elsewhere, and a Deployment's pods are handed over without a gap."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rollouts.api.rollout import Rollout
from rollouts.decide import plan as say
from rollouts.decide.workload import group_kind, resolved, workload
from rollouts.decide.world import World
from tests import make
from tests.decide.toy import Toy

Obj = dict[str, Any]
MARK = "rollout.argoproj.io/workload-replicas"
GENERATION = "rollout.argoproj.io/workload-generation"


def deployment(replicas: int = 5, image: str = "img:1") -> Obj:
    """A Deployment all of whose pods are available."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default", "generation": 1, "resourceVersion": "1", "uid": "uid-d"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "r"}},
            "template": make.template(image),
        },
        "status": {"replicas": replicas, "availableReplicas": replicas},
    }


def referring(kind: str = "Deployment", api_version: str = "apps/v1", scale_down: str = "", **rest: Any) -> Obj:
    """A Rollout that refers to `d`; `rest` as for a Rollout with a template of its own."""
    manifest = make.rollout(**rest)
    for field in ("template", "selector"):
        del manifest["spec"][field]
    manifest["spec"]["workloadRef"] = {"apiVersion": api_version, "kind": kind, "name": "d"}
    if scale_down:
        manifest["spec"]["workloadRef"]["scaleDown"] = scale_down
    return manifest


def read(manifest: Obj, found: Obj | None) -> tuple[Rollout, str]:
    return resolved(Rollout.model_validate(manifest), found)


# ── the template ──


def test_a_deployment_gives_its_template_and_its_selector() -> None:
    rollout, fault = read(referring(), deployment(image="img:7"))
    assert fault == ""
    assert rollout.spec.template == make.template("img:7")
    assert str(rollout.spec.selector) == "app=r"
    assert rollout.spec.workload_ref is not None


def test_a_selector_of_its_own_stays() -> None:
    manifest = referring()
    manifest["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["q", "r"]}]}
    rollout, fault = read(manifest, deployment())
    assert (fault, str(rollout.spec.selector)) == ("", "app in (q,r)")


def test_a_pod_template_gives_no_selector() -> None:
    found = {"metadata": {"name": "d", "generation": 3}, "template": make.template("img:7")}
    manifest = referring("PodTemplate", "v1")
    assert read(manifest, found)[1] == "spec.selector: Required value: Rollout has missing field '.spec.selector'"
    manifest["spec"]["selector"] = {"matchLabels": {"app": "r"}}
    rollout, fault = read(manifest, found)
    assert (fault, rollout.spec.template) == ("", make.template("img:7"))


@pytest.mark.parametrize(
    ("kind", "api_version", "message"),
    [
        ("Deployment", "apps/v1", 'deployments.apps "default/d" not found'),
        ("Deployment", "apps/v1beta2", 'deployments.apps "default/d" not found'),
        ("ReplicaSet", "apps/v1", 'replicasets.apps "default/d" not found'),
        ("PodTemplate", "v1", 'podtemplates "default/d" not found'),
        ("StatefulSet", "apps/v1", "workload of type apps/StatefulSet is not supported"),
        ("Deployment", "extensions/v1beta1", "workload of type extensions/Deployment is not supported"),
        ("Pod", "v1", "workload of type /Pod is not supported"),
    ],
)
def test_a_reference_that_leads_nowhere_says_so(kind: str, api_version: str, message: str) -> None:
    assert read(referring(kind, api_version), None)[1] == message


def test_a_template_of_its_own_beside_a_reference_is_refused() -> None:
    manifest = referring()
    manifest["spec"]["template"] = {"metadata": {"annotations": {"a": "b"}}}
    expected = "spec.template: Internal error: template must be empty for workload reference rollout"
    assert read(manifest, deployment())[1] == expected
    manifest["spec"]["template"] = {"spec": {"containers": [{"name": "c"}]}}
    assert read(manifest, deployment())[1] == ""


def test_the_template_that_was_found_is_validated_like_any_other() -> None:
    found = deployment()
    found["spec"]["template"]["metadata"]["labels"] = {"app": "else"}
    assert "`selector` does not match template `labels`" in read(referring(), found)[1]


def test_a_scale_down_that_nobody_knows_is_refused() -> None:
    expected = (
        'spec.workloadRef.scaleDown: Unsupported value: "Progressively": '
        'supported values: "never", "onsuccess", "progressively"'
    )
    assert read(referring(scale_down="Progressively"), deployment())[1] == expected
    fault = read(referring("ReplicaSet", scale_down="onsuccess"), deployment())[1]
    assert fault == "spec.workloadRef.scaleDown: Forbidden: only a Deployment is scaled down, and this is a ReplicaSet"
    assert read(referring("ReplicaSet", scale_down="never"), deployment())[1] == ""


def test_the_group_is_told_without_the_version() -> None:
    refs = [Rollout.model_validate(referring("K", version)).spec.workload_ref for version in ("v1", "apps/v1", "")]
    assert [group_kind(ref)[0] for ref in refs if ref is not None] == ["", "apps", ""]


# ── the hand-over ──


class Handing(Toy):
    """A toy with the Deployment that its Rollout refers to. Which of its pods go, the worst of luck decides."""

    def __init__(
        self, scale_down: str, size: int = 5, had: int = 5, *, blue_green: bool = False, missing: int | str | None = 1
    ) -> None:
        canary = make.rollout(replicas=size, canary={"maxSurge": 1, "maxUnavailable": missing})
        whole = make.blue_green(replicas=size, maxUnavailable=missing)
        super().__init__(whole if blue_green else canary, ("active", "preview") if blue_green else ())
        self.deployment = deployment(had)
        self.scale_down = scale_down
        self.sizes: list[int] = [had]
        self.least = had

    def image(self, image: str) -> None:
        super().image(image)
        self.deployment["spec"]["template"] = make.template(image)
        self._bump()

    def world(self) -> World:
        manifest = copy.deepcopy(self.manifest)
        for field in ("template", "selector"):
            del manifest["spec"][field]
        ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "scaleDown": self.scale_down}
        manifest["spec"]["workloadRef"] = ref
        rollout, fault = read(manifest, self.deployment)
        return replace(super().world(), rollout=rollout, spec_fault=fault, workload=workload(self.deployment))

    def _bump(self) -> None:
        self.deployment["metadata"]["generation"] += 1
        self.deployment["metadata"]["resourceVersion"] += "1"

    def _do(self, action: say.Action) -> None:
        annotations = self.manifest["metadata"].setdefault("annotations", {})
        if isinstance(action, say.ScaleWorkload):
            assert action.version == self.deployment["metadata"]["resourceVersion"]
            self.resize(action.replicas)
            self._check(action)
        elif isinstance(action, say.UpdateRollout):
            super()._do(replace(action, annotations={}))
            annotations.update(action.annotations)
            for key in [key for key, value in annotations.items() if value is None]:
                del annotations[key]
        else:
            super()._do(action)

    def resize(self, replicas: int) -> None:
        """Ask the Deployment for so many pods. Its status does not tell before `follow`."""
        self.log.append(f"deployment {replicas}")
        self.deployment["spec"]["replicas"] = replicas
        self.sizes.append(replicas)
        self._bump()

    def _check(self, action: say.ScaleWorkload) -> None:
        size = self.manifest["spec"]["replicas"]
        if action.replicas > action.before:
            assert self.mark is not None
            assert action.replicas <= int(self.mark), "never more than it had"
            assert self.manifest["metadata"]["annotations"]["rollout.argoproj.io/revision"] == "1", self.log
        else:
            promised = size - min(1, size)
            assert self.serving >= promised, (self.serving, promised, self.log)

    @property
    def mark(self) -> str | None:
        mark: str | None = self.manifest["metadata"].get("annotations", {}).get(MARK)
        return mark

    @property
    def own(self) -> int:
        return sum(rs.available for rs in self.sets.values())

    @property
    def serving(self) -> int:
        """Available pods of both once the Deployment has followed, when those that are available go first."""
        status, wanted = self.deployment["status"], self.deployment["spec"]["replicas"]
        left: int = status["availableReplicas"] - max(0, status["replicas"] - wanted)
        return max(0, left) + self.own

    def follow(self, available: int | None = None) -> None:
        """The Deployment becomes what it was asked to be; `available` of its pods, or as many as are left."""
        wanted = self.deployment["spec"]["replicas"]
        status = self.deployment["status"]
        lost = max(0, status["replicas"] - wanted)
        ready = max(0, status["availableReplicas"] - lost) if available is None else min(available, wanted)
        self.deployment["status"] = {"replicas": wanted, "availableReplicas": ready}
        self.deployment["metadata"]["resourceVersion"] += "1"


def test_pods_are_handed_over_one_by_one_as_others_become_available() -> None:
    toy = Handing("progressively", size=3, had=3)
    toy.settle()
    assert toy.sizes == [3]
    assert toy.mark == "3"
    for ready in (1, 2, 3):
        toy.ready("img:1", ready)
        toy.settle()
        toy.follow()
    toy.settle()
    assert toy.sizes == [3, 2, 1, 0]
    assert toy.phase == "Healthy"
    assert toy.mark is None
    assert not toy.step()


@pytest.mark.parametrize(("missing", "kept"), [(None, 2), (0, 2), (1, 1), ("50%", 1)])
def test_a_blue_green_rollout_may_miss_no_pod_in_a_hand_over_unless_it_says_so(
    missing: int | str | None, kept: int
) -> None:
    """One of two is there, and one of the Deployment's two: the one that goes may be the one that serves. A quarter of
    two pods is none."""
    toy = Handing("progressively", 2, 2, blue_green=True, missing=missing)
    toy.settle()
    toy.ready(count=1)
    toy.deployment["status"]["availableReplicas"] = 1
    toy.settle()
    assert toy.deployment["spec"]["replicas"] == kept


def test_the_deployment_grows_again_when_pods_that_took_over_are_lost() -> None:
    toy = Handing("progressively")
    toy.settle()
    toy.ready("img:1", 3)
    toy.settle()
    assert toy.deployment["spec"]["replicas"] == 2
    toy.follow()
    toy.ready("img:1", 1)
    toy.settle()
    assert toy.deployment["spec"]["replicas"] == 4


def test_a_pod_lost_after_the_hand_over_is_no_matter_of_the_deployment() -> None:
    toy = Handing("progressively")
    toy.run()
    toy.follow()
    toy.run()
    assert toy.sizes[-1] == 0
    toy.ready("img:1", 4)
    toy.settle()
    assert toy.sizes[-1] == 0


def test_a_deployment_that_had_no_pods_gets_none() -> None:
    toy = Handing("progressively", had=0)
    toy.settle()
    for ready in range(6):
        toy.ready("img:1", ready)
        toy.settle()
    assert toy.sizes == [0]


def test_pods_of_the_deployment_that_are_not_available_keep_others_in_their_place() -> None:
    toy = Handing("progressively", size=5)
    toy.follow(available=3)
    toy.settle()
    toy.ready("img:1", 2)
    toy.settle()
    assert toy.sizes[-1] == 4, "2 of its own, and 2 of 4 when the worst ones go, are one fewer than 5: as promised"
    toy.ready("img:1", 4)
    toy.settle()
    assert toy.sizes[-1] == 1


def test_a_rollout_without_pods_takes_over_nothing() -> None:
    toy = Handing("progressively", size=0)
    toy.settle()
    assert toy.sizes == [5]


def test_with_onsuccess_the_deployment_stays_whole_until_the_rollout_is_healthy() -> None:
    toy = Handing("onsuccess", size=3, had=3)
    toy.settle()
    toy.ready("img:1", 2)
    toy.settle()
    assert toy.sizes == [3]
    toy.ready()
    toy.settle()
    assert toy.sizes == [3, 0]


@pytest.mark.parametrize("mode", ["", "never"])
def test_by_default_the_deployment_is_left_alone(mode: str) -> None:
    toy = Handing(mode)
    toy.run()
    assert toy.phase == "Healthy"
    assert (toy.sizes, toy.mark) == ([5], None)


@pytest.mark.parametrize("mode", ["onsuccess", "progressively"])
def test_at_revision_1_a_deployment_that_is_scaled_up_is_taken_over_again(mode: str) -> None:
    toy = Handing(mode)
    toy.run()
    toy.follow()
    toy.settle()
    toy.resize(2)
    toy.settle()
    assert toy.sizes[-1] == 0


@pytest.mark.parametrize("mode", ["onsuccess", "progressively"])
def test_at_a_later_revision_a_deployment_that_is_scaled_up_is_left_alone(mode: str) -> None:
    toy = Handing(mode)
    toy.run()
    toy.follow()
    toy.image("img:2")
    toy.run()
    toy.resize(2)
    toy.run()
    assert toy.sizes[-1] == 2


@pytest.mark.parametrize("mode", ["onsuccess", "progressively"])
def test_a_hand_over_that_an_update_overtakes_comes_to_its_end(mode: str) -> None:
    toy = Handing(mode)
    toy.settle()
    toy.ready("img:1", 2)
    toy.settle()
    toy.image("img:2")
    toy.settle()
    assert toy.deployment["spec"]["replicas"] > 0
    for _ in range(6):
        toy.run()
        toy.follow()
    assert toy.sizes[-1] == 0
    assert toy.mark is None


def test_nothing_is_handed_over_while_the_rollout_is_paused() -> None:
    toy = Handing("progressively")
    toy.settle()
    toy.ready("img:1", 2)
    toy.spec(paused=True)
    toy.settle()
    assert toy.sizes == [5]


def test_the_generation_that_was_seen_is_told_in_annotation_and_status() -> None:
    toy = Handing("never")
    toy.settle()
    toy.resize(4)
    toy.settle()
    assert toy.manifest["metadata"]["annotations"][GENERATION] == "2"
    assert toy.status["workloadObservedGeneration"] == "2"
    sets = [rs.annotations for rs in toy.sets.values()]
    assert all(GENERATION not in notes and "rollout.argoproj.io/revision-history" not in notes for notes in sets)
    assert "RolloutUpdated" not in toy.events[1:]


deeds = st.lists(
    st.one_of(
        st.tuples(st.just("ready"), st.integers(0, 6)),
        st.tuples(st.just("follow"), st.one_of(st.none(), st.integers(0, 6))),
        st.tuples(st.just("image"), st.sampled_from(["img:1", "img:2"])),
        st.tuples(st.just("replicas"), st.integers(1, 6)),
        st.tuples(st.just("pass"), st.one_of(st.none(), st.integers(0, 3))),
        st.tuples(st.just("settle"), st.none()),
    ),
    max_size=30,
)


def done(toy: Handing, deeds: list[tuple[str, Any]]) -> Iterator[None]:
    for deed, what in deeds:
        match deed:
            case "ready":
                for image in ("img:1", "img:2"):
                    toy.ready(image, what)
            case "follow":
                toy.follow(what)
            case "image":
                toy.image(what)
            case "replicas":
                toy.spec(replicas=what)
            case "pass":
                toy.step(crash_after=what)
            case "settle":
                toy.settle()
        yield


@settings(max_examples=100, phases=[Phase.generate])
@given(
    mode=st.sampled_from(["onsuccess", "progressively"]),
    size=st.integers(1, 6),
    had=st.integers(1, 8),
    lost=st.integers(0, 4),
    blue_green=st.booleans(),
    deeds=deeds,
)
def test_a_hand_over_keeps_what_is_promised_at_every_action_and_always_ends(
    mode: str, size: int, had: int, lost: int, blue_green: bool, deeds: list[tuple[str, Any]]
) -> None:
    """Whatever becomes ready or is lost, whoever crashes when, and whatever update comes in between."""
    toy = Handing(mode, size, had, blue_green=blue_green)
    toy.follow(available=max(0, had - lost))
    for _ in done(toy, [("settle", None), *deeds]):
        pass
    for _ in range(12):
        toy.run(toy.now.replace(year=2027))
        toy.follow(available=8)
    assert toy.phase == "Healthy"
    assert toy.deployment["spec"]["replicas"] == 0
    assert toy.mark is None
    assert not toy.step()
