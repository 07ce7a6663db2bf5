"""Experiments of every kind: what the controller's role has to grant for them, and nothing more."""

from typing import Any

from rollouts.api import labels
from rollouts.api.template import pod_template_hash
from rollouts.kube.refs import EXPERIMENT, SERVICE, Obj, name_of
from tests import make
from tests.experiment.objects import becomes, ends, experiment, uses
from tests.stories.objects import metric, template
from tests.stories.stage import Stage


def _rollout(name: str) -> Obj:
    step = {
        "templates": [{"name": "try", "specRef": "canary", "service": {}}],
        "analyses": [uses(template="tried", requiredForCompletion=True)],
        "scaleDownDelaySeconds": 0,
    }
    manifest = make.rollout(make.weight(50), {"experiment": step}, name=name, replicas=1)
    manifest["metadata"] = {"name": name, "namespace": "default"}
    spec: dict[str, Any] = manifest["spec"]
    spec["selector"] = {"matchLabels": {"app": name}}
    spec["template"]["metadata"]["labels"] = {"app": name}
    spec["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    spec["analysis"] = {"successfulRunHistoryLimit": 0, "unsuccessfulRunHistoryLimit": 0}
    return manifest


async def experiments_of_every_kind(stage: Stage) -> None:
    """One that a Rollout starts and forgets, one whose name is taken, one that is skipped, one without templates."""
    stage.prometheus.says("tried", 0)
    await stage.apply(template("tried", metric("tried", "result[0] < 1")), _rollout("tries"))
    await stage.reaches("Healthy", name="tries")
    await _take_the_name(stage)
    await stage.release("img:2", "tries")
    await stage.reaches("Healthy", name="tries")
    await stage.until(lambda: [name_of(one) for one in stage.all(EXPERIMENT)] == [_name()])
    await stage.until(lambda: not [one for one in stage.all(SERVICE) if "tries" in name_of(one)])
    lost = [uses("near", "none"), uses("far", "none", clusterScope=True)]
    await stage.apply(experiment(name="lost", analyses=lost))
    await ends(stage, "Error", "lost")
    await _skip(stage)


def _name() -> str:
    """What the Experiment of the first release is called."""
    new = make.template("img:2")
    new["metadata"]["labels"] = {"app": "tries"}
    new["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    return f"tries-{pod_template_hash(new)}-2-1"


async def _take_the_name(stage: Stage) -> None:
    """By an Experiment that another controller looks after."""
    foreign = experiment(name=_name(), terminate=True)
    foreign["metadata"]["labels"] = {labels.INSTANCE_ID: "another"}
    await stage.wire.create(EXPERIMENT, "default", foreign)


async def _skip(stage: Stage) -> None:
    """A step whose Experiment would never end is passed over."""
    stage.prometheus.says("tried", 0)
    endless = template("tried", metric("tried", "result[0] < 1", interval="1h"))
    await stage.apply(endless)
    await stage.release("img:3", "tries")
    await stage.until(lambda: stage.status("tries")["canary"].get("currentExperiment"))
    await becomes(stage, "Running", stage.status("tries")["canary"]["currentExperiment"])
    await stage.promote("tries")
    await stage.reaches("Healthy", name="tries")
