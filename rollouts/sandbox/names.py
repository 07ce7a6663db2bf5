"""Pure. What may be a name, and what may be a label."""

import re

from rollouts.kube.refs import Obj, Resource
from rollouts.sandbox.refusals import Cause, bad_request, bad_value, required

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PATH_SEGMENT_KINDS = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})
_LABEL_KINDS = frozenset({"Namespace", "Service"})
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def check_name(resource: Resource, name: str) -> list[Cause]:
    """Why `name` cannot be the name of such an object; empty when it can."""
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    if resource.kind in _PATH_SEGMENT_KINDS:
        bad = name in (".", "..") or "/" in name or "%" in name
        return [bad_value("metadata.name", name, "may not contain '/' or '%', nor be '.' or '..'")] if bad else []
    label = resource.kind in _LABEL_KINDS
    limit = 63 if label else 253
    if len(name) > limit:
        return [bad_value("metadata.name", name, f"must be no more than {limit} bytes")]
    if not (_LABEL if label else _SUBDOMAIN).fullmatch(name):
        return [bad_value("metadata.name", name, _LABEL_TEXT if label else _SUBDOMAIN_TEXT)]
    return []


_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_NAME_PART = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_NAME_PART_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def check_words(new: Obj, old: Obj | None) -> list[Cause]:
    """What is wrong with labels and annotations, where the write changes them; Refused (400) when one is no string."""
    now, before = new["metadata"], (old or {}).get("metadata") or {}
    causes: list[Cause] = []
    for field in ("labels", "annotations"):
        words = now.get(field)
        if words and words != before.get(field):
            causes += _words(words, field)
    return causes


def _words(words: Obj, field: str) -> list[Cause]:
    causes = []
    for key, value in words.items():
        if not isinstance(value, str):
            raise bad_request(f"json: cannot unmarshal {value!r} into field metadata.{field}[{key}] of type string")
        prefix, _, name = key.rpartition("/")
        if len(name) > 63 or not _NAME_PART.fullmatch(name) or (prefix and not _SUBDOMAIN.fullmatch(prefix)):
            causes.append(bad_value(f"metadata.{field}", key, _NAME_PART_TEXT))
        if field == "labels" and len(value) > 63:
            causes.append(bad_value("metadata.labels", value, "must be no more than 63 bytes"))
        elif field == "labels" and not _VALUE.fullmatch(value):
            causes.append(bad_value("metadata.labels", value, _VALUE_TEXT))
    return causes
