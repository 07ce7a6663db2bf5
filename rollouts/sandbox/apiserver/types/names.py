"""Pure. What may be a name, and what may be a label."""

import re
from collections.abc import Sequence

from rollouts.kube.refs import Obj, Resource
from rollouts.sandbox.apiserver.refusals import Cause, bad_request, bad_value, required

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PATH_SEGMENT_KINDS = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})
_LABEL_KINDS = frozenset({"Namespace", "Service"})
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SERVICE_NAME_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
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
    if resource.kind == "Service" and len(name) <= limit:
        return [] if _SERVICE_NAME.fullmatch(name) else [bad_value("metadata.name", name, _SERVICE_NAME_TEXT)]
    if len(name) > limit:
        return [bad_value("metadata.name", name, f"must be no more than {limit} characters")]
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


def check_words(new: Obj, old: Obj | None, *, core: bool = False) -> list[Cause]:
    """What is wrong with the words of metadata, where the write changes them; Refused (400) when one is no string.

    `core`: whether the kind is Kubernetes' own: its finalizers need a domain.
    """
    now, before = new["metadata"], (old or {}).get("metadata") or {}
    causes: list[Cause] = []
    for field in ("labels", "annotations"):
        words = now.get(field)
        if words and words != before.get(field):
            causes += _words(words, field)
    if now.get("ownerReferences") != before.get("ownerReferences"):
        causes += _owners(now.get("ownerReferences") or ())
    if now.get("finalizers") != before.get("finalizers"):
        causes += _finalizers(now.get("finalizers") or (), core)
    return causes


def _owners(owners: Sequence[Obj]) -> list[Cause]:
    """What is wrong with references to owners: each is whole, none is an Event, and one at most controls."""
    causes: list[Cause] = []
    at = "metadata.ownerReferences"
    for owner in owners:
        version, kind = str(owner.get("apiVersion") or ""), str(owner.get("kind") or "")
        if not version.rpartition("/")[2]:
            causes.append(bad_value(f"{at}.apiVersion", version, "version must not be empty"))
        absent = [field for field in ("kind", "name", "uid") if not owner.get(field)]
        causes += [bad_value(f"{at}.{field}", "", "must not be empty") for field in absent]
        if (version, kind) == ("v1", "Event"):
            causes.append(bad_value(at, _as_declared(owner), "/v1, Kind=Event is disallowed from being an owner"))
    in_charge = [f"{owner.get('kind')}/{owner.get('name')}" for owner in owners if owner.get("controller")]
    if len(in_charge) > 1:
        found = f'Found "true" in references for {in_charge[0]} and {in_charge[1]}'
        text = f"Only one reference can have Controller set to true. {found}"
        causes.append(bad_value(at, [_as_declared(owner) for owner in owners], text))
    return causes


def _as_declared(owner: Obj) -> Obj:
    """An owner reference with its fields in the order in which Kubernetes prints them."""
    order = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
    return {key: owner[key] for key in order if key in owner}


_STANDARD_FINALIZERS = frozenset({"orphan", "foregroundDeletion", "kubernetes"})


def _finalizers(names: Sequence[str], core: bool) -> list[Cause]:
    """What is wrong with finalizers: each is a word, with a domain before it where that is asked for."""
    causes = []
    for index, name in enumerate(names):
        prefix, slash, word = str(name).rpartition("/")
        if slash and not _SUBDOMAIN.fullmatch(prefix):
            causes.append(bad_value("metadata.finalizers", name, f"prefix part {_SUBDOMAIN_TEXT}"))
        elif len(word) > 63 or not _NAME_PART.fullmatch(word):
            causes.append(bad_value("metadata.finalizers", name, _NAME_PART_TEXT))
        elif core and not slash and name not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            causes.append(bad_value(f"metadata.finalizers[{index}]", name, text))
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
            causes.append(bad_value("metadata.labels", value, "must be no more than 63 characters"))
        elif field == "labels" and not _VALUE.fullmatch(value):
            causes.append(bad_value("metadata.labels", value, _VALUE_TEXT))
    return causes
