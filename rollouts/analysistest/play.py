"""One run led through the engine in virtual time, its providers answered by a test."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from analysis.api import AnalysisRun, Measurement
from analysis.arguments import ResolvedMetrics
from analysis.course import Done, Due, course
from analysis.decide import Taken, Task
from analysis.measure import measure, resolve
from analysis.providers.base import Context, Objectives, SecretError
from analysis.providers.http import Http
from analysis.providers.registry import ADDRESS_VARIABLE
from rollouts.analysistest.answers import CannotAnswer, Said, Script, verdict
from rollouts.analysistest.fixture import Case
from rollouts.sandbox import clock

LONGEST = timedelta(hours=12)
"""A run that has not ended by then is one without end."""

_ENVIRON = {ADDRESS_VARIABLE: "http://prometheus.invalid"}


class WithoutEnd(Exception):
    """The run never ends. The text is for the user."""


class _WrittenSecrets:
    """The Secrets that a test writes down."""

    def __init__(self, secrets: Mapping[str, Mapping[str, str]]) -> None:
        self._secrets = secrets

    async def get(self, namespace: str, name: str) -> Mapping[str, bytes]:
        if name not in self._secrets:
            raise SecretError(f'secrets "{name}" not found')
        return {key: value.encode() for key, value in self._secrets[name].items()}


def play(
    run: AnalysisRun, case: Case, secrets: Mapping[str, Mapping[str, str]], objectives: Objectives | None = None
) -> tuple[AnalysisRun, timedelta]:
    """`run` at its end, and how late that is. WithoutEnd, or CannotAnswer, with what to change in the test."""
    return clock.run(_Player(run, case, secrets, objectives).lead())


class _Player:
    def __init__(
        self,
        run: AnalysisRun,
        case: Case,
        secrets: Mapping[str, Mapping[str, str]],
        objectives: Objectives | None,
    ) -> None:
        self.run, self.objectives = run, objectives
        self.case, self.secrets = case, _WrittenSecrets(secrets)
        self.scripts = {name: Script(name, answers) for name, answers in case.answers.items()}

    async def lead(self) -> tuple[AnalysisRun, timedelta]:
        began = clock.now()
        stop = began + self.case.terminate_after if self.case.terminate_after is not None else None
        resolved = await resolve(self.run, self.secrets, self.objectives)
        steps = course(self.run, resolved, began)
        try:
            due = next(steps)
            while due.now <= began + LONGEST:
                if stop is not None and due.now >= stop:
                    await _until(stop)
                    stop, due = None, steps.send(Done((), clock.now(), terminate=True))
                    continue
                await _until(due.now)
                due = steps.send(Done(await self._taken(due, resolved), clock.now()))
        except StopIteration as end:
            return end.value, clock.now() - began
        raise WithoutEnd("the run never ends: give the test a terminateAfter, as the end of a release would")

    async def _taken(self, due: Due, resolved: ResolvedMetrics) -> tuple[Taken, ...]:
        return tuple(await asyncio.gather(*(self._one(task, due.run, resolved) for task in due.tasks)))

    async def _one(self, task: Task, run: AnalysisRun, resolved: ResolvedMetrics) -> Taken:
        if task.name not in self.scripts:
            raise CannotAnswer(f"the test has no answers for metric '{task.name}'")
        script = self.scripts[task.name]
        answer = script.answer
        if answer.phase is not None:
            script.heard()
            begun = Measurement(phase=answer.phase, started_at=clock.now())
            await asyncio.sleep(answer.delay.total_seconds())
            return Taken(task.name, verdict(answer, begun).model_copy(update={"finished_at": clock.now()}))
        transport = Said(task.metric, answer, resolved.asked.get(task.name))
        http = Http(transport)
        try:
            context = Context(run=run, http=http, now=clock.now, secrets=self.secrets, environ=_ENVIRON)
            (taken,) = await measure((task,), resolved, context)
            if transport.heard:
                script.heard()
            return taken
        finally:
            await http.close()


async def _until(moment: datetime) -> None:
    await asyncio.sleep(max(0.0, (moment - clock.now()).total_seconds()))
