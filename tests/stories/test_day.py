"""A whole day of a release under the virtual clock, and what it costs."""

import asyncio
import time

from rollouts.kube.refs import ANALYSIS_RUN, EVENT
from rollouts.sandbox import clock
from tests import make
from tests.stories.objects import analysis, istio, metric, template
from tests.stories.stage import Stage

HOURS = [make.weight(10), make.pause("6h"), make.weight(30), make.pause("6h"), make.weight(60), make.pause("12h")]


async def day(stage: Stage) -> float:
    """A release that takes a day, measured every five minutes; answers how many virtual seconds it took."""
    watchful = template("check", metric(interval="5m"))
    await stage.deploy(watchful, *istio(*HOURS, canary={"analysis": analysis()}))
    stage.prometheus.says("errors", 0.01)
    stage.line.calls.clear()
    began = asyncio.get_running_loop().time()
    await stage.release("img:2")
    await stage.reaches("Progressing")
    await stage.reaches("Healthy", limit=100_000)
    return asyncio.get_running_loop().time() - began


def test_a_day_of_a_release_passes_in_about_a_second_and_costs_only_its_measurements() -> None:
    async def story() -> tuple[float, int, int, int]:
        async with Stage() as stage:
            seconds = await day(stage)
            runs = [call for call in stage.line.writes if call.resource == ANALYSIS_RUN]
            events = [call for call in stage.line.calls if call.resource == EVENT]
            others = [call for call in stage.line.calls if call.resource not in (ANALYSIS_RUN, EVENT)]
            return seconds, len(runs), len(events), len(others)

    began = time.perf_counter()
    seconds, runs, events, others = clock.run(story())
    wall = time.perf_counter() - began
    print(
        f"{seconds / 3600:.1f} hours in {wall:.2f} s: {runs} writes of runs, {events} of events, {others} other calls"
    )
    assert 86_400 <= seconds <= 86_410
    assert 288 <= runs <= 295, "one write for each measurement"
    assert others <= 40
    assert events <= 30, "one for each reason at each step"
    assert wall < 10, "waiting costs something"  # a second when the machine is idle
