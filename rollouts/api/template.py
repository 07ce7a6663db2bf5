"""Pure. Pod templates by identity: the hashes that name ReplicaSets, and whether two templates mean the same pods."""

import struct
from collections.abc import Sequence

from analysis.schema import Obj
from rollouts.api.gotypes import Reader, go_json
from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.api.pod.defaults import DEFAULTS, TEMPLATE_TYPES
from rollouts.api.pod.types import POD_TYPES
from rollouts.api.quantity import parse_quantity
from rollouts.api.steptypes import EARLIER_STEP_TYPES, STEP_TYPES

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_AS_GO = Reader(TEMPLATE_TYPES)
_STEPS_AS_GO = Reader({**POD_TYPES, **STEP_TYPES})
_STEPS_EARLIER = Reader({**POD_TYPES, **EARLIER_STEP_TYPES})
_BY_MEANING = Reader(
    TEMPLATE_TYPES,
    quantity=lambda given: str(parse_quantity(given).value),
    resource=lambda given: str(parse_quantity(given).rounded_up(1000).value),
    defaults=DEFAULTS,
)


def fnv1a_32(data: bytes) -> int:
    """The 32 bit FNV-1a hash."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_hash(data: bytes) -> str:
    """The hash in letters and digits that cannot spell a word."""
    return "".join(_ALPHABET[ord(char) % len(_ALPHABET)] for char in str(fnv1a_32(data)))


def pod_template_json(template: Obj) -> str:
    """The template as Go writes it, which is what its hash is taken of. WrongType when Go could not read it."""
    return go_json(_AS_GO.read("PodTemplateSpec", template))


def pod_template_hash(template: Obj, collision_count: int | None = None) -> str:
    """The hash that names the ReplicaSet of this template; a collision count gives another. May raise WrongType."""
    data = pod_template_json(template).encode()
    if collision_count is not None:
        data += struct.pack("<II", collision_count & 0xFFFFFFFF, 0)
    return safe_hash(data)


def step_hash(steps: Sequence[Obj], stored: str = "") -> str:
    """The hash by which a change of a canary's steps is noticed, of the steps as the manifest has them.

    Argo Rollouts up to 1.8 wrote steps with analyses differently. Where `stored` is such a hash of these very steps, it
    stays, so that an update which that version began goes on.
    """
    earlier = _hash_of_steps(_STEPS_EARLIER, steps) if stored else ""
    return earlier if stored and stored == earlier else _hash_of_steps(_STEPS_AS_GO, steps)


def _hash_of_steps(reader: Reader, steps: Sequence[Obj]) -> str:
    return safe_hash(go_json(reader.read("[]CanaryStep", list(steps) or None)).encode())


def templates_equal(rollout_template: Obj, replica_set_template: Obj) -> bool:
    """Whether both templates make the same pods once the API server has filled in its defaults.

    The label with the hash does not count, nor the order of map keys or the spelling of quantities. Metadata that
    the controller has put on a ReplicaSet's pods must be taken off by the caller.
    """
    if _images(rollout_template) != _images(replica_set_template):
        return False  # the usual case, told without reading all of both
    return _meaning(rollout_template) == _meaning(replica_set_template)


def _images(template: Obj) -> list[str] | None:
    """The images of the containers, which have no defaults and no two spellings; None where there is no telling."""
    spec = template.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not all(isinstance(each, dict) for each in containers):
        return None
    return [each.get("image") or "" for each in containers]


def _meaning(template: Obj) -> Obj:
    read: Obj = _BY_MEANING.read("PodTemplateSpec", template)
    metadata, spec = read["metadata"], read["spec"]
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key != POD_TEMPLATE_HASH}
    spec.pop("serviceAccount", None)
    return {"metadata": {**metadata, "labels": labels}, "spec": spec}
