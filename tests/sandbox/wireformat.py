"""Kubernetes objects in protobuf, spelled by hand: messages of numbered pieces."""


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def piece(field: int, *content: bytes | str) -> bytes:
    data = b"".join(one.encode() if isinstance(one, str) else one for one in content)
    return varint(field << 3 | 2) + varint(len(data)) + data


def body(api_version: str, kind: str, *content: bytes) -> bytes:
    return b"k8s\x00" + piece(1, piece(1, api_version), piece(2, kind)) + piece(2, *content)
