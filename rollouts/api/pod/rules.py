"""Pure. What a pod template may not say, as far as an API server would refuse its ReplicaSet."""

import re
from collections.abc import Iterator, Mapping

from analysis.schema import Obj
from rollouts.api import fielderrors
from rollouts.api.gotypes import WrongType
from rollouts.api.meta import LabelSelector
from rollouts.api.pod.defaults import default_pod_template

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUANTITY = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def pod_template_errors(template: Obj, selector: LabelSelector | None, path: str) -> Iterator[str]:
    """The faults of a ReplicaSet's pod template, in the order in which an API server finds them."""
    try:
        defaulted = default_pod_template(template)
    except WrongType as wrong:
        yield _unreadable(wrong, f"{path}.{wrong.path}" if wrong.path else path)
        return
    labels: Mapping[str, str] = defaulted["metadata"].get("labels", {})
    if selector is not None and not selector.empty and not selector.matches(labels):
        yield fielderrors.invalid(
            f"{path}.metadata.labels", labels or None, "`selector` does not match template `labels`"
        )
    yield from _pod_errors(defaulted["spec"], f"{path}.spec")


def _unreadable(wrong: WrongType, path: str) -> str:
    if wrong.expected == "quantity":
        return fielderrors.invalid(path, wrong.value, f"quantities must match the regular expression '{_QUANTITY}'")
    detail = f'{path} in body must be of type {wrong.expected}: "{wrong.found}"'
    return fielderrors.invalid(path, wrong.found, detail)


def _pod_errors(spec: Obj, path: str) -> Iterator[str]:
    volumes = [str(volume["name"]) for volume in spec.get("volumes", ())]
    yield from _name_errors(volumes, f"{path}.volumes")
    if not spec["containers"]:
        yield fielderrors.required(f"{path}.containers")
    for kind in ("containers", "initContainers"):
        containers: list[Obj] = spec.get(kind) or []
        for at, container in enumerate(containers):
            yield from _container_errors(container, volumes, f"{path}.{kind}[{at}]")
        yield from _repeated([container["name"] for container in containers], f"{path}.{kind}")
    if spec["restartPolicy"] != "Always":
        yield fielderrors.unsupported(f"{path}.restartPolicy", spec["restartPolicy"], ("Always",))
    if "activeDeadlineSeconds" in spec:
        yield fielderrors.forbidden(
            f"{path}.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported"
        )


def _container_errors(container: Obj, volumes: list[str], path: str) -> Iterator[str]:
    yield from _label_errors(container["name"], f"{path}.name")
    if not container.get("image"):
        yield fielderrors.required(f"{path}.image")
    for at, port in enumerate(container.get("ports", ())):
        number = port["containerPort"]
        if number == 0:
            yield fielderrors.required(f"{path}.ports[{at}].containerPort")
        elif not 0 < number < 65536:
            yield fielderrors.invalid(
                f"{path}.ports[{at}].containerPort", number, "must be between 1 and 65535, inclusive"
            )
        if port["protocol"] not in ("SCTP", "TCP", "UDP"):
            yield fielderrors.unsupported(f"{path}.ports[{at}].protocol", port["protocol"], ("SCTP", "TCP", "UDP"))
    for at, variable in enumerate(container.get("env", ())):
        if not variable["name"]:
            yield fielderrors.required(f"{path}.env[{at}].name")
    yield from _mount_errors(container.get("volumeMounts", []), volumes, f"{path}.volumeMounts")


def _mount_errors(mounts: list[Obj], volumes: list[str], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for at, mount in enumerate(mounts):
        if not mount["name"]:
            yield fielderrors.required(f"{path}[{at}].name")
        if mount["name"] not in volumes:
            yield fielderrors.not_found(f"{path}[{at}].name", mount["name"])
        if not mount["mountPath"]:
            yield fielderrors.required(f"{path}[{at}].mountPath")
        if mount["mountPath"] in seen:
            yield fielderrors.invalid(f"{path}[{at}].mountPath", mount["mountPath"], "must be unique")
        seen.add(mount["mountPath"])


def _name_errors(names: list[str], path: str) -> Iterator[str]:
    for at, name in enumerate(names):
        yield from _label_errors(name, f"{path}[{at}].name")
    yield from _repeated(names, path)


def _label_errors(name: str, path: str) -> Iterator[str]:
    if not name:
        yield fielderrors.required(path)
        return
    if len(name) > 63:
        yield fielderrors.invalid(path, name, "must be no more than 63 characters")
    if not _LABEL.fullmatch(name):
        yield fielderrors.invalid(path, name, _LABEL_RULE)


def _repeated(names: list[str], path: str) -> Iterator[str]:
    for at, name in enumerate(names):
        if name in names[:at]:
            yield fielderrors.duplicate(f"{path}[{at}].name", name)
