"""What must hold of every Experiment, over random specs, random orders of events and crashes after any action.

1. It always ends: by itself once its duration is over or its analyses have ended, else when somebody terminates it.
2. What ended stays ended; a settled Experiment writes nothing.
3. In one life an analysis is started once.
4. Pods and Services stay while a recorded share of traffic leads to them.
5. Until the announced wake-up, time alone changes nothing; and silence has a reason.
"""

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.experiment.objects import uses, version, with_port
from tests.experiment.toy import ENDED, Toy

PHASES = ("Successful", "Failed", "Error", "Inconclusive")

versions = st.lists(
    st.builds(
        lambda replicas, served: (with_port(version(service={})) if served else version()) | {"replicas": replicas},
        st.integers(0, 3),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)
analyses = st.lists(st.booleans(), max_size=3)
specs = st.fixed_dictionaries(
    {"progressDeadlineSeconds": st.sampled_from([20, 600])},
    optional={"duration": st.sampled_from(["0s", "10s", "1m"]), "scaleDownDelaySeconds": st.sampled_from([0, 5])},
)
deeds = st.lists(
    st.one_of(
        st.tuples(st.just("ready"), st.tuples(st.sampled_from(["v0", "v1", ""]), st.sampled_from([0, 1, None]))),
        st.tuples(st.just("verdict"), st.tuples(st.sampled_from(PHASES), st.integers(0, 2))),
        st.tuples(st.just("wait"), st.sampled_from([1, 10, 30, 700])),
        st.tuples(st.just("pass"), st.one_of(st.none(), st.integers(0, 3))),
        st.tuples(st.just("settle"), st.none()),
        st.tuples(st.just("route"), st.booleans()),
        st.tuples(st.just("terminate"), st.none()),
        st.tuples(st.just("retry"), st.none()),
    ),
    max_size=25,
)
law = settings(max_examples=150, phases=[Phase.generate])


def spec_of(templates: list[Any], judged: list[bool], rest: dict[str, Any]) -> dict[str, Any]:
    named = [_named(template, f"v{at}") for at, template in enumerate(templates)]
    asked = [uses(f"a{at}", requiredForCompletion=required) for at, required in enumerate(judged)]
    return {"templates": named, "analyses": asked, **rest}


def _named(template: dict[str, Any], name: str) -> dict[str, Any]:
    labels = {"app": "r", "version": name}
    pods = {**template["template"], "metadata": {"labels": labels}}
    return {**template, "name": name, "selector": {"matchLabels": labels}, "template": pods}


class Watched(Toy):
    """A toy that checks at every pass that an end is an end, and that traffic has pods."""

    def step(self, crash_after: int | None = None) -> bool:
        before, sizes = self.status, {name: rs.replicas for name, rs in self.sets.items()}
        written = super().step(crash_after)
        if before.phase in ENDED:
            assert self.status.phase == before.phase
            assert self.status.message == before.message
        ended = {one.name for one in before.template_statuses if one.status in ENDED}
        assert ended <= {one.name for one in self.status.template_statuses if one.status in ENDED}
        for service in self.routed:
            name = service
            assert self.sets[name].replicas >= min(1, sizes.get(name, 0)), ("pods went that have traffic", self.log)
        return written


def do(toy: Toy, deed: str, what: Any) -> None:
    match deed:
        case "ready":
            toy.ready(*what)
        case "verdict":
            toy.verdict(*what)
        case "wait":
            toy.wait(what)
        case "pass":
            toy.step(what)
        case "settle":
            toy.settle()
        case "route":
            served = {one.service_name for one in toy.status.template_statuses if one.status == "Running"} - {""}
            toy.routed = served if what and toy.status.phase == "Running" else set()
        case "terminate":
            toy.terminate()
        case "retry":
            toy.retry()


def finish(toy: Toy) -> None:
    """No more faults: traffic leaves, pods become ready, time passes, runs end, and at last somebody terminates."""
    toy.routed = set()
    for at in range(14):
        toy.settle()
        toy.ready()
        toy.settle()
        if at == 5:
            toy.verdict("Successful")
        if at == 10:
            toy.terminate()
        wake = toy.plan().wake_at
        if wake is not None:
            toy.now = max(toy.now, wake)
    toy.settle()


@law
@given(templates=versions, judged=analyses, rest=specs, deeds=deeds)
def test_an_experiment_always_ends_and_leaves_no_pods(templates: Any, judged: Any, rest: Any, deeds: Any) -> None:
    toy = Watched(spec_of(templates, judged, rest))
    for deed, what in deeds:
        do(toy, deed, what)
    finish(toy)
    assert toy.status.phase in ENDED
    assert {rs.replicas for rs in toy.sets.values()} <= {0}
    assert toy.services == {}
    assert all(run.finished or run.terminate for run in toy.runs.values())
    assert not toy.step(), "a settled Experiment writes nothing"


@law
@given(templates=versions, judged=analyses, rest=specs, crashes=st.lists(st.integers(0, 3), max_size=25))
def test_each_analysis_is_started_once_whenever_the_controller_crashes(
    templates: Any, judged: Any, rest: Any, crashes: Any
) -> None:
    toy = Watched(spec_of(templates, judged, rest))
    for cut in (*crashes, *[None] * 10):
        toy.step(cut)
        toy.ready()
        toy.verdict("Successful")  # as soon as it can: a run may have ended before its name is stored
        assert len({run.analysis for run in toy.runs.values()}) == len(toy.runs)
    finish(toy)
    assert toy.status.phase == "Successful"
    assert {one.phase for one in toy.status.analysis_runs} <= {"Successful"}


@law
@given(judged=analyses, rest=specs, deeds=deeds)
def test_pods_and_service_stay_while_traffic_leads_to_them(judged: Any, rest: Any, deeds: Any) -> None:
    toy = Watched(spec_of([with_port(version(service={}))], judged, rest | {"duration": "10s"}))
    toy.settle()
    toy.ready()
    toy.settle()
    toy.routed = {"e-v0"}
    for deed, what in deeds:
        if deed not in ("route", "ready", "retry"):
            do(toy, deed, what)
            assert toy.sets["e-v0"].available == 1
            assert "e-v0" in toy.services
    finish(toy)
    assert toy.services == {}


@law
@given(templates=versions, judged=analyses, rest=specs, deeds=deeds)
def test_until_the_announced_wake_up_time_alone_changes_nothing(
    templates: Any, judged: Any, rest: Any, deeds: Any
) -> None:
    toy = Watched(spec_of(templates, judged, rest))
    for deed, what in deeds:
        do(toy, deed, what)
    toy.settle()
    wake = toy.plan().wake_at
    for seconds in (1, 4, 10, 590):
        toy.wait(seconds)
        if wake is not None and toy.now >= wake:
            return
        assert not toy.step()


@law
@given(templates=versions, judged=analyses, rest=specs, deeds=deeds)
def test_silence_has_a_reason(templates: Any, judged: Any, rest: Any, deeds: Any) -> None:
    toy = Watched(spec_of(templates, judged, rest))
    for deed, what in deeds:
        do(toy, deed, what)
        plan = toy.plan()
        assert plan.actions or plan.waits or plan.status != toy.status
        assert all(wait.because for wait in plan.waits)
