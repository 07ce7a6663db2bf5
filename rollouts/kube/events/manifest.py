"""Pure. An Event as the API server has it, and the object that it is about."""

from analysis.schema import format_time
from rollouts.kube.events.note import Note
from rollouts.kube.refs import Obj, name_of, namespace_of, uid_of


def reference_to(about: Obj) -> Obj:
    """An object reference as Events carry it."""
    reference = {
        "apiVersion": about.get("apiVersion", ""),
        "kind": about.get("kind", ""),
        "namespace": namespace_of(about),
        "name": name_of(about),
        "uid": uid_of(about),
        "resourceVersion": about["metadata"].get("resourceVersion", ""),
    }
    return {key: value for key, value in reference.items() if value}


def named(reference: Obj) -> str:
    """Which object this is, whatever its version."""
    return f"{reference.get('kind')} {reference.get('namespace', '')}/{reference['name']} {reference.get('uid', '')}"


def namespace_for(reference: Obj) -> str:
    """Events of cluster-scoped objects live in the namespace `default`."""
    return str(reference.get("namespace", "default"))


def name_for(reference: Obj, note: Note, serial: int) -> str:
    """Named as client-go does: by when it began, in nanoseconds, of which the clock leaves us three digits to count."""
    return f"{reference['name']}.{int(note.first.timestamp() * 1e6) * 1000 + serial % 1000:x}"


def event(name: str, reference: Obj, note: Note, component: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace_for(reference)},
        "involvedObject": reference,
        "type": note.type,
        "reason": note.reason,
        "message": note.message,
        "firstTimestamp": format_time(note.first),
        **counted(note.count, note),
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
    }


def counted(count: int, note: Note) -> Obj:
    """How often it was said, and when for the last time."""
    return {"count": count, "lastTimestamp": format_time(note.last)}
