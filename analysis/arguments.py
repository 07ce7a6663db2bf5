"""Pure. Giving arguments their values and filling `{{args.<name>}}` in metrics."""

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pydantic import ValidationError

from analysis.api import Argument, Metric
from analysis.asked import carried, carriers
from analysis.asked.lack import Asked
from analysis.schema import Obj

SECRET_PLACEHOLDER = "temp-for-secret"
"""What stands for a secret while a run is validated and assessed."""

REDACTED = "*****"
"""What stands for a secret in every text that leaves the engine."""

SecretKey = tuple[str, str]
"""Name of a Secret and key within it."""

_PREFIX = "args."
_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_QUOTED = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NO_AUTHENTICATION: Obj = {"sigv4": {}, "oauth2": {}, "basicAuth": {}}


class ArgumentError(ValueError):
    """An argument has no value, or a text asks for one that nobody declared. The text is for the user."""


@dataclass(frozen=True, slots=True)
class ResolvedMetrics:
    """A run's metrics with their arguments filled in.

    `metrics` hold the placeholder where a secret goes and may be shown; `measured` hold the secrets themselves and
    go to providers only. When `error` is set both are empty and it is the message for the run.
    `checked`: that they contradict no rule has been seen, and need not be looked at again.
    `asked` says, by the metric's name, what its template asks for beyond Argo Rollouts; it holds secrets too.
    """

    metrics: tuple[Metric, ...] = ()
    measured: tuple[Metric, ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    error: str = ""
    checked: bool = False
    asked: Mapping[str, Asked] = field(default_factory=dict, repr=False)

    def redact(self, text: str) -> str:
        """`text` with every secret value replaced by asterisks."""
        return redact(text, self.secrets)


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every one of `secrets` replaced by asterisks, the longest first so that no tail remains."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def secret_keys(args: Iterable[Argument]) -> tuple[SecretKey, ...]:
    """The secrets that `args` take their values from."""
    references = (arg.value_from.secret_key_ref for arg in args if arg.value_from)
    return tuple((reference.name, reference.key) for reference in references if reference)


def resolve_metrics(
    metrics: Sequence[Metric],
    args: Sequence[Argument],
    secrets: Mapping[SecretKey, str],
    asked: Mapping[str, Asked] | None = None,
) -> ResolvedMetrics:
    """The metrics of a run ready to be measured; `secrets` must hold every key that `secret_keys(args)` names.

    `asked` is what the metrics ask for beyond Argo Rollouts, by their names as written.
    """
    asked = asked or {}
    try:
        shown = fill_metrics(metrics, values(args, dict.fromkeys(secret_keys(args), SECRET_PLACEHOLDER)))
        measured = fill_metrics(metrics, values(args, secrets)) if secrets else shown
        filled = {
            name: _filled_asked(metric, one, values(args, secrets)) for name, metric, one in _askers(metrics, asked)
        }
    except ArgumentError as error:
        return ResolvedMetrics(error=f"Unable to resolve metric arguments: {redact(str(error), secrets.values())}")
    names = [metric.name for metric in metrics]
    return ResolvedMetrics(
        tuple(_judging(name, metric, filled) for name, metric in zip(names, shown, strict=True)),
        tuple(_judging(name, metric, filled) for name, metric in zip(names, measured, strict=True)),
        tuple(secrets.values()),
        asked={metric.name: filled[name] for name, metric in zip(names, shown, strict=True) if name in filled},
    )


def _askers(metrics: Iterable[Metric], asked: Mapping[str, Asked]) -> Iterator[tuple[str, Metric, Asked]]:
    for metric in metrics:
        if metric.name in asked:
            yield metric.name, metric, asked[metric.name]


def _filled_asked(metric: Metric, asked: Asked, args: Mapping[str, str]) -> Asked:
    texts = carriers(metric, asked)
    return carried(asked, dict(zip(texts, fill_metrics(texts.values(), args), strict=True)))


def _judging(name: str, metric: Metric, asked: Mapping[str, Asked]) -> Metric:
    return asked[name].judging(metric) if name in asked else metric


def values(args: Iterable[Argument], secrets: Mapping[SecretKey, str]) -> dict[str, str]:
    """The value of every argument by name; a secret wins over a value. ArgumentError when one has neither."""
    found: dict[str, str] = {}
    for arg in args:
        reference = arg.value_from.secret_key_ref if arg.value_from else None
        value = secrets[reference.name, reference.key] if reference else arg.value
        if value is None:
            raise ArgumentError(f'argument "{arg.name}" was not supplied')
        found[arg.name] = value
    return found


def fill_metrics(metrics: Iterable[Metric], args: Mapping[str, str]) -> tuple[Metric, ...]:
    """`fill` for several metrics; the error of the first one that fails is prefixed with the metric's name."""
    given = tuple(sorted(args.items()))
    filled = []
    for metric in metrics:
        try:
            filled.append(fill(metric, given))
        except ArgumentError as error:
            raise ArgumentError(f"metric '{metric.name}': {error}") from error
    return tuple(filled)


def fill(metric: Metric, args: tuple[tuple[str, str], ...]) -> Metric:
    """`metric` with every `{{args.<name>}}` in any of its texts replaced.

    The replacement happens on the metric's JSON, once and without recursion, so that values escape as Go quotes them.
    ArgumentError names the last tag (in the order of the JSON) that nobody declared.
    """
    text = _go_json(metric)
    return metric if "{{" not in text else _filled(text, args)


@lru_cache(maxsize=1024)
def _filled(text: str, args: tuple[tuple[str, str], ...]) -> Metric:
    given = dict(args)
    unknown = _last_unknown(text, given)
    if unknown is not None:
        raise ArgumentError(f"failed to resolve {{{{{unknown}}}}}")
    if "{{" in _TAG.sub("", text):
        raise ArgumentError(f'Cannot find end tag="}}}}" in the template={text}')
    try:
        return Metric.model_validate_json(_TAG.sub(lambda tag: go_quoted(given[_argument(tag)]), text))
    except ValidationError as error:
        raise ArgumentError(f"the filled metric is not valid: {error}") from error


def undeclared(metric: Metric, declared: Iterable[str]) -> str:
    """The last tag in `metric` that is not one of the `declared` arguments, as it is written there; "" when none is."""
    return _last_unknown(_go_json(metric), frozenset(declared)) or ""


def _last_unknown(text: str, declared: Container[str]) -> str | None:
    unknown = None
    for tag in _TAG.finditer(text):
        if _argument(tag) not in declared:
            unknown = tag[1]
    return unknown


def _argument(tag: re.Match[str]) -> str:
    """The name of the argument that a tag asks for; a name that no argument can have when it asks for none."""
    name = tag[1].strip()
    return name[len(_PREFIX) :] if name.startswith(_PREFIX) else tag[0]


def _go_json(metric: Metric) -> str:
    """The metric's JSON as Go writes it: its own field order, empty authentication spelled out, HTML escaped."""
    wire = metric.wire()
    for name in ("prometheus", "web"):
        provider = wire["provider"].get(name)
        if provider is not None:
            order = type(getattr(metric.provider, name)).model_fields
            provider["authentication"] = _NO_AUTHENTICATION | provider.get("authentication", {})
            wire["provider"][name] = _ordered(provider, [info.alias or field for field, info in order.items()])
    text = json.dumps(wire, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _ordered(given: Obj, order: Sequence[str]) -> Obj:
    known = {name: given[name] for name in order if name in given}
    return known | given


def go_quoted(value: str) -> str:
    """`value` as the inside of a Go string literal. ArgumentError for a character that JSON cannot take so."""
    return "".join(_QUOTED.get(char) or (char if char.isprintable() else _go_escape(char)) for char in value)


def _go_escape(char: str) -> str:
    code = ord(char)
    if code < 0x80:
        letter = {7: "a", 11: "v"}.get(code, "x")
        raise ArgumentError(f"invalid character '{letter}' in string escape code")
    if code > 0xFFFF:
        raise ArgumentError("invalid character 'U' in string escape code")
    return f"\\u{code:04x}"
