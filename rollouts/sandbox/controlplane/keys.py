"""A private key for the tokens of service accounts, written without any library of cryptography.

An elliptic curve's private key is a random number; RFC 5915 lets its file leave the rest to the reader.
"""

import base64
import secrets
import textwrap

_P256 = bytes.fromhex("06082a8648ce3d030107")
"""The object identifier of the curve prime256v1, in DER."""
_LEAST, _ABOVE = 1, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""A private key is at least one and less than the order of the curve."""


def new_private_key() -> str:
    """A new key on the curve P-256, in PEM."""
    number = (secrets.randbelow(_ABOVE - _LEAST) + _LEAST).to_bytes(32)
    body = _der(0x02, b"\x01") + _der(0x04, number) + _der(0xA0, _P256)
    text = base64.b64encode(_der(0x30, body)).decode()
    return "\n".join(["-----BEGIN EC PRIVATE KEY-----", *textwrap.wrap(text, 64), "-----END EC PRIVATE KEY-----", ""])


def _der(tag: int, content: bytes) -> bytes:
    """Tag, length, content; nothing here is longer than the 127 bytes that one byte of length can tell."""
    return bytes([tag, len(content)]) + content
