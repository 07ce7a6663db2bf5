"""What every provider is: a place that a number comes from, and what it may use to fetch it."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from analysis.api import AnalysisPhase, AnalysisRun, Measurement, Metric
from analysis.arguments import redact
from analysis.evaluate import evaluate
from analysis.expr.gotypes.jsontext import from_json
from analysis.expr.gotypes.values import Value
from analysis.providers.http import Answer, Http, HttpError, Request
from analysis.schema import Obj, parse_duration

DEADLINE_SLACK = timedelta(seconds=5)
"""How much longer than a provider's own timeout a measurement may take before it is cut off."""


LONGEST_TEXT = 16 * 1024
"""Characters of a measurement's value or message: an answer of megabytes must not make a status that no API server
takes."""


class ProviderError(Exception):
    """A provider has no number; the text is the measurement's message."""


class SecretError(Exception):
    """The cluster has no such Secret, or refuses it: the text becomes the message of the run, which ends in Error.

    Any other exception of `Secrets.get` passes through, so that a cluster out of reach does not end a run.
    """


class Secrets(Protocol):
    """The Secrets that a run may read."""

    async def get(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """The decoded data of a Secret; SecretError when there is none to be had."""
        ...


class ObjectiveError(Exception):
    """The cluster has no such objective, or refuses it: the text becomes the message of the run, which ends in Error.

    Any other exception of `Objectives.get` passes through.
    """


class Objectives(Protocol):
    """The ServiceLevelObjectives of Pyrra that a run may be judged by."""

    async def get(self, namespace: str, name: str) -> Obj:
        """A ServiceLevelObjective; ObjectiveError when there is none to be had."""
        ...


class JobError(Exception):
    """The API server says no to what was asked of a Job; the text is its message."""


class JobTaken(JobError):
    """There is a Job of this name already."""


class JobMissing(JobError):
    """There is no such Job."""


class JobsOutOfReach(Exception):
    """The API server did not say anything of use: the same question may be answered later."""


class Jobs(Protocol):
    """The Jobs of the cluster that analysis runs them in. Every method may raise JobsOutOfReach, or JobError."""

    async def create(self, namespace: str, job: Obj) -> None:
        """Make a Job. JobTaken when its name is."""
        ...

    async def get(self, namespace: str, name: str) -> Obj:
        """A Job as it stands. JobMissing when there is none."""
        ...

    async def of_run(self, namespace: str, uid: str) -> Sequence[Obj]:
        """Every Job labelled with this uid of an AnalysisRun."""
        ...

    async def pods(self, namespace: str, name: str) -> Sequence[Obj]:
        """The pods of a Job."""
        ...

    async def delete(self, namespace: str, name: str) -> None:
        """Delete a Job after its pods. JobMissing when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a provider may use: the run it measures for, the network, secrets, the clock and the environment.

    `controller_namespace` is where credentials lie that every run uses; `jobs` is None where there is no cluster.
    """

    run: AnalysisRun
    http: Http
    now: Callable[[], datetime]
    secrets: Secrets
    environ: Mapping[str, str] = field(default_factory=dict)
    controller_namespace: str = "argo-rollouts"
    jobs: Jobs | None = None


class Provider(Protocol):
    """A place that a number comes from. It is built for one metric and says in ProviderError why it cannot be."""

    def timeout(self) -> timedelta:
        """How long one call may take."""
        ...

    def metadata(self) -> dict[str, str]:
        """What is to be remembered of the metric, such as the query as it was sent."""
        ...

    async def run(self) -> Measurement:
        """Take a new measurement. An unfinished one has the phase Running and says when to resume."""
        ...

    async def resume(self, measurement: Measurement) -> Measurement:
        """Look at an unfinished measurement again."""
        ...

    async def terminate(self, measurement: Measurement) -> Measurement:
        """Stop an unfinished measurement."""
        ...

    async def collect(self, limit: int) -> None:
        """Clear away what measurements have left behind, but for the newest `limit`."""
        ...


Build = Callable[[Metric, Context], Provider]
"""Makes the provider of a metric; ProviderError when its configuration is not valid."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider read: the result for the conditions, its text, and what the provider adds."""

    result: Value
    text: str
    metadata: dict[str, str] = field(default_factory=dict)
    text_on_error: bool = False


class OneShot:
    """A provider whose measurement is finished as soon as it is taken; a subclass says how to read.

    Credentials that it was shown (`hide`) are in no text of a measurement.
    """

    def __init__(self, metric: Metric, context: Context) -> None:
        self.metric, self.context = metric, context
        self._hidden: list[str] = []

    def timeout(self) -> timedelta:
        """How long one reading may take."""
        raise ProviderError(f"{type(self).__name__} names no timeout")

    def metadata(self) -> dict[str, str]:
        """What is to be remembered of the metric."""
        return {}

    async def login(self) -> None:
        """Find the credentials, if any are needed. ProviderError when there are none to be had."""

    async def read(self) -> Reading:
        """Ask for the result. ProviderError when there is none."""
        raise ProviderError(f"{type(self).__name__} reads nothing")

    def question(self) -> Hashable | None:
        """What is asked, and as whom: equal questions may share an answer. None: never share."""
        return type(self).__name__, self.metric.provider.model_dump_json(), tuple(self._hidden)

    def hide(self, secrets: Iterable[str]) -> None:
        """Keep these credentials out of what is stored."""
        self._hidden += filter(None, secrets)

    async def secret(self, namespace: str, name: str) -> dict[str, str]:
        """The data of a Secret as text. ProviderError when there is none."""
        try:
            data = await self.context.secrets.get(namespace, name)
        except SecretError as error:
            raise ProviderError(str(error)) from error
        return {key: value.decode("utf-8", "replace") for key, value in data.items()}

    async def send(self, request: Request) -> Answer:
        """The answer to a request. ProviderError when there is none."""
        try:
            return await self.context.http.send(request)
        except HttpError as error:
            raise ProviderError(str(error)) from error

    async def run(self) -> Measurement:
        """Read once and judge what was read."""
        started = self.context.now()
        try:
            reading = await self.reading()
        except ProviderError as error:
            return self.failed(error, started)
        return self.judged(reading, started)

    async def reading(self) -> Reading:
        """Read once. ProviderError when there is no result."""
        await self.login()
        return await self._reading()

    def failed(self, error: ProviderError, started: datetime) -> Measurement:
        """A measurement without a result."""
        return Measurement(
            phase=AnalysisPhase.ERROR,
            message=self.shown(str(error)),
            started_at=started,
            finished_at=self.context.now(),
        )

    def judged(self, reading: Reading, started: datetime) -> Measurement:
        """What the metric's conditions make of a result."""
        finished = self.context.now()
        phase, message = evaluate(self.metric, reading.result, finished)
        shown = reading.text if phase is not AnalysisPhase.ERROR or reading.text_on_error else ""
        return Measurement(
            phase=phase,
            message=self.shown(message),
            started_at=started,
            finished_at=finished,
            value=self.shown(shown),
            metadata={key: redact(value, self._hidden) for key, value in reading.metadata.items()},
        )

    def shown(self, text: str) -> str:
        """`text` as it may be stored: without credentials, and not too long."""
        text = redact(text, self._hidden)
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"

    async def _reading(self) -> Reading:
        question = self.question()
        if question is None:
            return await self.read()
        asker = (self.context.run.uid, self.metric.name)
        return await self.context.http.flights.once(question, asker, self.read)

    async def resume(self, measurement: Measurement) -> Measurement:
        """There is nothing to resume; a measurement that a crash left open is an error."""
        return self._unfinished(measurement)

    async def terminate(self, measurement: Measurement) -> Measurement:
        """There is nothing to stop."""
        return self._unfinished(measurement)

    async def collect(self, limit: int) -> None:
        """There is nothing left behind."""

    @staticmethod
    def window(text: str) -> timedelta:
        """A duration of the manifest. ProviderError, in Go's words, when it is none."""
        try:
            return parse_duration(text)
        except ValueError as error:
            raise ProviderError(str(error)) from error

    def _unfinished(self, measurement: Measurement) -> Measurement:
        return ended(measurement, AnalysisPhase.ERROR, "measurement was left unfinished", self.context.now())


def document(answer: Answer) -> Value:
    """The answer as JSON. ProviderError when it is none."""
    try:
        return from_json(answer.text)
    except (ValueError, RecursionError) as error:
        raise ProviderError(f"could not parse the answer as JSON: {error}") from error


def dig(value: Value, *path: str | int) -> Value:
    """What lies at `path` in a JSON document; None where anything on the way is missing or of another kind."""
    for key in path:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def ended(measurement: Measurement, phase: AnalysisPhase, message: str, now: datetime) -> Measurement:
    """The measurement with its end."""
    return measurement.model_copy(update={"phase": phase, "message": message, "finished_at": now, "resume_at": None})
