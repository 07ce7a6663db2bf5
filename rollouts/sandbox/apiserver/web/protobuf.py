"""Reads requests in Kubernetes' protobuf encoding, which kubectl's typed commands send (`kubectl create deployment`,
`kubectl auth can-i`). Answers stay JSON: every client that sends protobuf accepts that too.

Protobuf writes zeros where JSON leaves fields out. Empty strings and empty times are dropped again; other zeros stay,
for they may be meant (`replicas: 0`).
"""

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.refusals import bad_request
from rollouts.sandbox.apiserver.types.builtins import WireField, wire_fields

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_Raw: TypeAlias = int | bytes
_Fields: TypeAlias = dict[tuple[int, ...], WireField]
_FALSE_UNLESS_SAID = frozenset(
    ["hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "paused", "publishNotReadyAddresses"]
)
"""Booleans that Kubernetes' types cannot tell from absent ones."""
_ZERO_UNLESS_SAID = frozenset(
    (
        "minReadySeconds",
        "generation",
        "observedGeneration",
        "hostPort",
        "nodePort",
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    )
)
"""The same for numbers."""


def decode(body: bytes) -> Obj:
    """The object in a protobuf body, as JSON would spell it. Refused (400) when it cannot be read."""
    if not body.startswith(_MAGIC):
        raise bad_request("the protobuf body does not begin with the bytes that mark a Kubernetes object")
    try:
        envelope = dict(_pairs(body[len(_MAGIC) :]))
        meta = dict(_pairs(_bytes(envelope[1])))
        api_version, kind = _bytes(meta.get(1, b"")).decode(), _bytes(meta.get(2, b"")).decode()
        if kind not in wire_fields():
            raise bad_request(f"the sandbox cannot read {api_version} {kind} as protobuf; send it as JSON")
        return {"apiVersion": api_version, "kind": kind} | _message(_bytes(envelope.get(2, b"")), kind)
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise bad_request(f"the protobuf body cannot be decoded: {error}") from error


def _bytes(value: _Raw) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a number stands where bytes are due")
    return value


def _pairs(data: bytes) -> Iterator[tuple[int, _Raw]]:
    """The fields of a message: (number, value); length-delimited and fixed values as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: _Raw
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
            case 1:
                value, at = data[at : at + 8], at + 8
            case 2:
                size, at = _varint(data, at)
                value, at = data[at : at + size], at + size
            case 5:
                value, at = data[at : at + 4], at + 4
            case other:
                raise ValueError(f"wire type {other} is unknown")
        if at > len(data):
            raise ValueError("the message ends in the middle of a field")
        yield tag >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _message(data: bytes, kind: str) -> Obj:
    return _into({}, data, wire_fields()[kind], ())


def _into(made: Obj, data: bytes, fields: _Fields, at: tuple[int, ...]) -> Obj:
    embedded = {path[0] for path in fields if len(path) > 1} if not at else set()
    for number, value in _pairs(data):
        field = fields.get((*at, number))
        if field is not None:
            _put(made, field, value)
        elif number in embedded:
            _into(made, _bytes(value), fields, (number,))
    return made


def _put(made: Obj, field: WireField, raw: _Raw) -> None:
    if field.form == "map":
        entry = dict(_pairs(_bytes(raw)))
        key = _bytes(entry.get(1, b"")).decode()
        made.setdefault(field.name, {})[key] = _value(entry.get(2, b""), field.of)
        return
    value = _value(raw, field.of)
    if field.form == "list":
        made.setdefault(field.name, []).append(value)
    elif not _is_absent(field.name, value):
        made[field.name] = value


def _is_absent(name: str, value: Any) -> bool:
    if value is None or value == "":
        return True
    return (value is False and name in _FALSE_UNLESS_SAID) or (value == 0 and name in _ZERO_UNLESS_SAID)


def _value(raw: _Raw, kind: str) -> Any:
    match kind:
        case "integer":
            return _signed(raw)
        case "boolean":
            return bool(raw)
        case "string":
            return _bytes(raw).decode()
        case "bytes":
            return base64.b64encode(_bytes(raw)).decode()
        case "number":
            return struct.unpack("<d", _bytes(raw))[0]
        case "quantity":
            return _bytes(dict(_pairs(_bytes(raw))).get(1, b"")).decode()
        case "date-time" | "micro-time":
            return _time(dict(_pairs(_bytes(raw))), micro=kind == "micro-time")
        case "int-or-string":
            said = dict(_pairs(_bytes(raw)))
            return _bytes(said.get(3, b"")).decode() if said.get(1) else _signed(said.get(2, 0))
        case "any":
            return None
        case _:
            return _message(_bytes(raw), kind)


def _signed(raw: _Raw) -> int:
    if not isinstance(raw, int):
        raise TypeError("bytes stand where a number is due")
    return raw - (1 << 64) if raw >= 1 << 63 else raw


def _time(said: dict[int, _Raw], *, micro: bool) -> str | None:
    """RFC 3339. A time without seconds is the zero time of Kubernetes' types: absent."""
    if 1 not in said:
        return None
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=_signed(said[1]), microseconds=_signed(said.get(2, 0)) / 1000
    )
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")
