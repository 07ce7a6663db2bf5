"""Pure. An Experiment as the Rollout that it was started by sees it."""

from datetime import datetime

from analysis.schema import Obj
from rollouts.api import labels
from rollouts.decide.world import Experiment, Hash, Version


def experiment_seen(obj: Obj, *, owned: bool, created: datetime) -> Experiment:
    """An Experiment, reduced to what decisions look at."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    templates = status.get("templateStatuses") or ()
    return Experiment(
        name=metadata["name"],
        created=created,
        phase=status.get("phase", ""),
        message=status.get("message", ""),
        owned=owned,
        terminate=bool(spec.get("terminate")),
        deleting="deletionTimestamp" in metadata,
        hash=Hash((metadata.get("labels") or {}).get(labels.POD_TEMPLATE_HASH, "")),
        spec=spec,
        versions=tuple(_version(template) for template in templates),
        pods=sum(template.get("replicas", 0) for template in templates),
    )


def _version(template: Obj) -> Version:
    return Version(
        name=template.get("name", ""),
        running=template.get("status") == "Running",
        service=template.get("serviceName", ""),
        hash=Hash(template.get("podTemplateHash", "")),
    )
