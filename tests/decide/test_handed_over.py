"""Whatever a Rollout says of analyses, experiments and pods arrives in what it makes of that: field by field."""

from collections.abc import Callable
from typing import Any

import pytest

from analysis.api import AnalysisTemplate
from rollouts.decide import plan as say
from tests import make
from tests.decide.canary import V1, V2
from tests.decide.toy import Toy

Obj = make.Obj
H1, H2 = make.hash_of(V1), make.hash_of(V2)


class Recording(Toy):
    """`made`: the manifests of what was created, by kind, the latest first. Whatever is tried comes out well."""

    def __init__(self, manifest: Obj, services: tuple[str, ...] = ()) -> None:
        super().__init__(manifest, services)
        self.made: dict[str, list[Obj]] = {}
        self.templates |= {(wide, "check"): template(wide) for wide in (False, True)}

    def _do(self, action: say.Action) -> None:
        if isinstance(action, say.StartRun | say.StartExperiment | say.CreateReplicaSet):
            self.made.setdefault(action.manifest["kind"], []).insert(0, action.manifest)
        if not isinstance(action, say.StartExperiment):
            super()._do(action)


def template(wide: bool) -> AnalysisTemplate:
    """One with two metrics and four arguments, of which one has a value of its own."""
    metrics = [
        {"name": name, "successCondition": "true", "provider": {"web": {"url": "http://a?{{args.own}}"}}}
        for name in ("errors" if not wide else "everywhere", "latency")
    ]
    args = [{"name": name} for name in ("literal", "hash", "team")] + [{"name": "own", "value": "template"}]
    kind = "ClusterAnalysisTemplate" if wide else "AnalysisTemplate"
    manifest = {"kind": kind, "metadata": {"name": "check"}, "spec": {"metrics": metrics, "args": args}}
    return AnalysisTemplate.model_validate(manifest)


ARGS: list[Obj] = [
    {"name": "literal", "value": ""},
    {"name": "hash", "value": "not this", "valueFrom": {"podTemplateHashValue": "Stable"}},
    {"name": "team", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
    {"name": "nobody asks for it", "value": "x"},
]
FULL: Obj = {
    "templates": [{"templateName": "check", "clusterScope": True}],
    "args": [*ARGS[:3], {"name": "own", "valueFrom": {"podTemplateHashValue": "Latest"}}],
    "dryRun": [{"metricName": "lat.*"}],
    "measurementRetention": [{"metricName": "everywhere", "limit": 3}],
    "analysisRunMetadata": {"labels": {"team": "a", "app": "mine"}, "annotations": {"note": "b"}},
}
BARE: Obj = {"templates": [{"templateName": "check"}], "args": ARGS}


def step(analysis: Obj) -> Recording:
    return Recording(make.rollout({"analysis": analysis}))


def background(analysis: Obj) -> Recording:
    return Recording(make.rollout(make.pause(), canary={"analysis": analysis}))


def before_the_switch(analysis: Obj) -> Recording:
    return Recording(make.blue_green(prePromotionAnalysis=analysis), ("active", "preview"))


def after_the_switch(analysis: Obj) -> Recording:
    return Recording(make.blue_green(postPromotionAnalysis=analysis), ("active", "preview"))


each_use = pytest.mark.parametrize(
    ("use", "type", "suffix"),
    [
        (step, "Step", "-0"),
        (background, "Background", ""),
        (before_the_switch, "PrePromotion", "-pre"),
        (after_the_switch, "PostPromotion", "-post"),
    ],
)


def started(use: Callable[[Obj], Recording], analysis: Obj) -> Obj:
    """The only AnalysisRun that comes of it."""
    toy = use(analysis)
    toy.manifest["metadata"]["labels"] = {"team": "shop"}
    toy.run()
    assert toy.made.get("AnalysisRun", []) == [], "a first release is not judged"
    toy.image(V2)
    toy.run()
    (run,) = toy.made["AnalysisRun"]
    return run


@each_use
def test_all_that_an_analysis_says_is_in_its_run(use: Callable[[Obj], Recording], type: str, suffix: str) -> None:
    run = started(use, FULL)
    metadata, spec = run["metadata"], run["spec"]
    assert metadata["name"] == f"r-{H2}-2{suffix}"
    step_index = {"step-index": "0"} if type == "Step" else {}
    own = {"rollouts-pod-template-hash": H2, "rollout-type": type, **step_index}
    assert metadata["labels"] == {**own, "team": "a", "app": "r"}, "the selector's labels come last"
    assert metadata["annotations"] == {"rollout.argoproj.io/revision": "2", "note": "b"}
    assert [metric["name"] for metric in spec["metrics"]] == ["everywhere", "latency"]
    assert {arg["name"]: arg["value"] for arg in spec["args"]} == {
        "literal": "",
        "hash": H1,
        "team": "shop",
        "own": H2,
    }
    assert spec["dryRun"] == [{"metricName": "lat.*"}]
    assert spec["measurementRetention"] == [{"metricName": "everywhere", "limit": 3}]


@each_use
def test_what_an_analysis_does_not_say_is_not_in_its_run(
    use: Callable[[Obj], Recording], type: str, suffix: str
) -> None:
    run = started(use, BARE)
    assert set(run["metadata"]["annotations"]) == {"rollout.argoproj.io/revision"}
    assert run["metadata"]["labels"].keys() - {"step-index"} == {"rollouts-pod-template-hash", "rollout-type", "app"}
    assert [metric["name"] for metric in run["spec"]["metrics"]] == ["errors", "latency"], "not of the whole cluster"
    assert {arg["name"]: arg["value"] for arg in run["spec"]["args"]}["own"] == "template"
    assert run["spec"].keys() == {"metrics", "args"}


# ── experiments ──


def ported(image: str) -> Obj:
    found = make.template(image)
    found["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    return found


def tried(experiment: Obj, **spec: Any) -> Obj:
    """The only Experiment that comes of a step."""
    manifest = make.rollout({"experiment": experiment}, canary=make.ISTIO, **spec)
    manifest["spec"]["template"] = ported(V1)
    toy = Recording(manifest, ("stable", "canary"))
    toy.run()
    toy.image(V2)
    toy.manifest["spec"]["template"] = ported(V2)
    while "Experiment" not in toy.made:
        assert toy.step()
        toy.ready()
    return toy.made["Experiment"][0]


def test_all_that_an_experiment_step_says_is_in_its_experiment() -> None:
    args = [{"name": "own", "valueFrom": {"podTemplateHashValue": "Stable"}}, {"name": "literal", "value": "x"}]
    selector = {"matchLabels": {"app": "r"}, "matchExpressions": [{"key": "try", "operator": "In", "values": ["it"]}]}
    said: Obj = {
        "templates": [
            {
                "name": "base",
                "specRef": "stable",
                "replicas": 0,
                "metadata": {"labels": {"try": "it"}, "annotations": {"note": "n"}},
                "selector": selector,
                "service": {"name": "mine"},
            },
            {"name": "tried", "specRef": "canary", "replicas": 3, "weight": 5},
        ],
        "duration": "1h",
        "analyses": [
            {
                "name": "one",
                "templateName": "check",
                "clusterScope": True,
                "args": args,
                "requiredForCompletion": True,
            },
            {"name": "two", "templateName": "check"},
        ],
        "dryRun": [{"metricName": "lat.*"}],
        "analysisRunMetadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}},
        "scaleDownDelaySeconds": 0,
    }
    spec = tried(said, minReadySeconds=2, progressDeadlineSeconds=50)["spec"]
    base, canary = spec.pop("templates")
    one, two = spec.pop("analyses")
    assert (base["replicas"], base["minReadySeconds"], base["service"]) == (0, 2, {"name": "mine"})
    assert base["selector"] == {**selector, "matchLabels": {"app": "r", "try": "it"}}
    assert base["template"]["metadata"]["labels"]["try"] == "it"
    assert base["template"]["metadata"]["annotations"] == {"note": "n"}
    assert [part["template"]["spec"]["containers"][0]["image"] for part in (base, canary)] == [V1, V2]
    assert (canary["replicas"], canary["service"]) == (3, {}), "a weight needs a Service, of any name"
    assert "weight" not in canary, "weights are the Rollout's"
    assert one == {
        "name": "one",
        "templateName": "check",
        "clusterScope": True,
        "args": [
            {"name": "own", "value": base["template"]["metadata"]["labels"]["rollouts-pod-template-hash"]},
            args[1],
        ],
        "requiredForCompletion": True,
    }
    assert two == {"name": "two", "templateName": "check"}
    assert spec == {
        "duration": "1h",
        "progressDeadlineSeconds": 50,
        "dryRun": said["dryRun"],
        "analysisRunMetadata": said["analysisRunMetadata"],
        "scaleDownDelaySeconds": 0,
    }


def test_what_an_experiment_step_does_not_say_is_not_in_its_experiment() -> None:
    spec = tried({"templates": [{"name": "one", "specRef": "canary"}]})["spec"]
    (template,) = spec.pop("templates")
    assert spec == {"analysisRunMetadata": {}}
    assert template.keys() == {"name", "selector", "template"}
    hash = template["template"]["metadata"]["labels"]["rollouts-pod-template-hash"]
    assert template["selector"] == {"matchLabels": {"app": "r", "rollouts-pod-template-hash": hash}}
    assert "annotations" not in template["template"]["metadata"]


# ── pods ──


@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_a_selector_by_labels_finds_the_pods_and_is_told(strategy: str) -> None:
    manifest = make.rollout() if strategy == "canary" else make.blue_green()
    manifest["spec"]["template"]["metadata"]["labels"]["tier"] = "web"
    manifest["spec"]["selector"] = {"matchLabels": {"tier": "web", "app": "r"}}
    toy = Recording(manifest, ("active", "preview"))
    toy.run()
    (made,) = toy.made["ReplicaSet"]
    hash = made["metadata"]["labels"]["rollouts-pod-template-hash"]
    assert made["spec"]["selector"] == {"matchLabels": {"tier": "web", "app": "r", "rollouts-pod-template-hash": hash}}
    alone = "" if strategy == "canary" else f"rollouts-pod-template-hash={hash},"
    assert toy.status["selector"] == f"app=r,{alone}tier=web"


@pytest.mark.parametrize(
    ("expressions", "told"),
    [
        ([{"key": "app", "operator": "In", "values": ["r", "q"]}], "app in (q,r)"),
        ([{"key": "gone", "operator": "DoesNotExist"}, {"key": "app", "operator": "Exists"}], "app,!gone"),
        ([{"key": "app", "operator": "NotIn", "values": ["q"]}], "app notin (q)"),
    ],
)
def test_a_selector_by_expressions_finds_the_pods_and_is_told(expressions: list[Obj], told: str) -> None:
    manifest = make.rollout(make.pause())
    manifest["spec"]["selector"] = {"matchExpressions": expressions}
    toy = Recording(manifest)
    toy.run()
    assert toy.status["selector"] == told
    (made,) = toy.made["ReplicaSet"]
    assert made["spec"]["selector"] == {
        "matchExpressions": expressions,
        "matchLabels": {"rollouts-pod-template-hash": H1},
    }


@pytest.mark.parametrize(("given", "seconds"), [({}, 0), ({"minReadySeconds": 7}, 7)])
def test_how_long_pods_have_to_be_ready_is_the_new_replica_sets_and_follows_the_spec(given: Obj, seconds: int) -> None:
    toy = Recording(make.rollout(make.pause(), **given))
    toy.run()
    toy.image(V2)
    toy.run()
    assert [rs["spec"]["minReadySeconds"] for rs in toy.made["ReplicaSet"]] == [seconds, seconds]
    toy.spec(minReadySeconds=9)
    asked = {one.name: one.min_ready_seconds for one in toy.plan().changes if isinstance(one, say.UpdateReplicaSet)}
    assert asked[f"r-{H2}"] == 9
    assert asked.get(f"r-{H1}") is None, "stable pods are left as they are"


@pytest.mark.parametrize("kind", ["labels", "annotations"])
@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_metadata_of_the_parts_is_in_new_replica_sets_from_the_start(kind: str, strategy: str) -> None:
    parts = ("canaryMetadata", "stableMetadata") if strategy == "canary" else ("previewMetadata", "activeMetadata")
    said: Any = {name: {kind: {"part": name, "app": "r"}} for name in parts}
    if strategy == "canary":
        toy = Recording(make.rollout(make.pause(), canary=said))
    else:
        toy = Recording(make.blue_green(autoPromotionEnabled=False, **said), ("active", "preview"))
    toy.run()
    toy.image(V2)
    toy.run()
    found = [rs["spec"]["template"]["metadata"][kind]["part"] for rs in toy.made["ReplicaSet"]]
    assert found == list(parts)
    other = "annotations" if kind == "labels" else "labels"
    assert all("part" not in rs["spec"]["template"]["metadata"].get(other, {}) for rs in toy.made["ReplicaSet"])
    toy.promote()
    toy.run()
    assert toy.of(V2).template["metadata"][kind]["part"] == parts[1]


def test_without_metadata_of_the_parts_pods_carry_only_their_own() -> None:
    toy = Recording(make.rollout(make.pause()))
    toy.run()
    toy.image(V2)
    toy.run()
    for rs in toy.made["ReplicaSet"]:
        metadata = rs["spec"]["template"]["metadata"]
        assert set(metadata) == {"labels"}
        assert set(metadata["labels"]) == {"app", "rollouts-pod-template-hash"}
