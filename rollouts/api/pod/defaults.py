"""Pure. What the API server fills into a pod template: the defaults of `core/v1` in Kubernetes 1.34."""

from collections.abc import Mapping

from analysis.schema import Obj
from rollouts.api.gotypes import Default, Reader
from rollouts.api.pod.types import POD_TYPES
from rollouts.api.pod.volumes import VOLUME_TYPES
from rollouts.api.quantity import parse_quantity

TEMPLATE_TYPES = {**POD_TYPES, **VOLUME_TYPES}

_FILE_MODE = 0o644
_VOLUME_SOURCES = tuple(field.name for field in VOLUME_TYPES["Volume"] if field.name != "name")


def _pull_policy(image: str) -> str:
    """Always for the tag `latest`, spelt out or meant; a digest without a tag is not meant so."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or (image and not tag and not digest) else "IfNotPresent"


def _no_source_is_empty_dir(volume: Obj) -> Obj | None:
    return None if any(volume.get(source) is not None for source in _VOLUME_SOURCES) else {}


_CONTAINER: Mapping[str, Default] = {
    "imagePullPolicy": lambda container: _pull_policy(str(container.get("image") or "")),
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}

DEFAULTS: Mapping[str, Mapping[str, Default]] = {
    "PodSpec": {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccountName": lambda spec: spec.get("serviceAccount"),
        "terminationGracePeriodSeconds": 30,
    },
    "Container": _CONTAINER,
    "EphemeralContainer": _CONTAINER,
    "ContainerPort": {"protocol": "TCP"},
    "Probe": {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    "HTTPGetAction": {"path": "/", "scheme": "HTTP"},
    "GRPCAction": {"service": ""},
    "ObjectFieldSelector": {"apiVersion": "v1"},
    "FileKeySelector": {"optional": False},
    "Volume": {"emptyDir": _no_source_is_empty_dir},
    "HostPathVolumeSource": {"type": ""},
    "SecretVolumeSource": {"defaultMode": _FILE_MODE},
    "ConfigMapVolumeSource": {"defaultMode": _FILE_MODE},
    "DownwardAPIVolumeSource": {"defaultMode": _FILE_MODE},
    "ProjectedVolumeSource": {"defaultMode": _FILE_MODE},
    "ServiceAccountTokenProjection": {"expirationSeconds": 3600},
    "ImageVolumeSource": {"pullPolicy": lambda image: _pull_policy(str(image.get("reference") or ""))},
    "ISCSIVolumeSource": {"iscsiInterface": "default"},
    "RBDVolumeSource": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "AzureDiskVolumeSource": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "ScaleIOVolumeSource": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
    "PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
}

_DEFAULTED = Reader(
    TEMPLATE_TYPES, resource=lambda given: parse_quantity(given).rounded_up(1000).text, defaults=DEFAULTS
)


def default_pod_template(template: Obj) -> Obj:
    """The template as the API server would store it: known fields only, defaults filled in. May raise WrongType."""
    defaulted: Obj = _DEFAULTED.read("PodTemplateSpec", template)
    return defaulted
