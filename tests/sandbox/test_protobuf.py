"""Bodies in Kubernetes' protobuf encoding, spelled here by hand and read as JSON would spell them."""

import struct

import pytest

from rollouts.kube.errors import Refused
from rollouts.sandbox.apiserver.web.protobuf import decode
from tests.sandbox.wireformat import body, number, piece, varint


def test_a_deployment_is_read_with_its_zeros_where_they_are_meant() -> None:
    metadata = piece(1, piece(1, "web"), piece(2, ""), piece(8), piece(11, piece(1, "app"), piece(2, "web")))
    surge = piece(2, piece(1, "RollingUpdate"), piece(2, piece(1, number(1, 1), number(2, 0), piece(3, "25%"))))
    spec = piece(2, number(1, 0), piece(4, surge[2:]), number(5, 0), number(7, 0))
    assert decode(body("apps/v1", "Deployment", metadata, spec)) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": 0,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}},
        },
    }


def test_values_of_all_kinds_are_read() -> None:
    secret = decode(body("v1", "Secret", piece(1), piece(2, piece(1, "k"), piece(2, b"\xff\x00")), number(5, 1)))
    assert (secret["data"], secret["immutable"]) == ({"k": "/wA="}, True)
    options = decode(body("v1", "DeleteOptions", number(1, -1), piece(4, "Orphan"), piece(5, "All")))
    assert (options["gracePeriodSeconds"], options["propagationPolicy"], options["dryRun"]) == (-1, "Orphan", ["All"])
    lease = piece(2, piece(1, "me"), piece(4, number(1, 1767225600), number(2, 5000)))
    assert decode(body("coordination.k8s.io/v1", "Lease", lease))["spec"] == {
        "holderIdentity": "me",
        "renewTime": "2026-01-01T00:00:00.000005Z",
    }


def test_embedded_messages_are_flattened() -> None:
    volume = piece(1, piece(1, "conf"), piece(2, piece(19, piece(1, piece(1, "map")))))
    limits = piece(8, piece(1, piece(1, "cpu"), piece(2, piece(1, "500m"))))
    container = piece(2, piece(1, "main"), limits)
    spec = decode(body("v1", "Pod", piece(2, volume, container)))["spec"]
    assert spec["volumes"] == [{"name": "conf", "configMap": {"name": "map"}}]
    assert spec["containers"] == [{"name": "main", "resources": {"limits": {"cpu": "500m"}}}]


def test_unknown_fields_are_passed_over() -> None:
    extra = varint(999 << 3 | 1) + struct.pack("<d", 1.0) + varint(998 << 3 | 5) + b"\0\0\0\0" + number(997, 1)
    assert decode(body("v1", "ConfigMap", piece(1, piece(1, "a")), extra))["metadata"] == {"name": "a"}


@pytest.mark.parametrize(
    ("data", "because"),
    [
        (b"{}", "does not begin with"),
        (body("v1", "Pod")[:-1], "cannot be decoded"),
        (body("example.com/v1", "Widget"), "cannot read example.com/v1 Widget as protobuf; send it as JSON"),
        (body("v1", "Pod", number(1, 1)), "cannot be decoded"),
        (b"k8s\x00", "cannot be decoded"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, because: str) -> None:
    with pytest.raises(Refused, match=because):
        decode(data)
