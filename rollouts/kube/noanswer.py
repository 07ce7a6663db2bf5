"""Why a request got no answer, in the words of the operating system and not in those of a library."""

import os
import ssl

import aiohttp


def reason(error: BaseException) -> str:
    """`no connection to 127.0.0.1:6443: Connection refused`, where aiohttp adds `ssl:default` and the like."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the certificate of {error.host}:{error.port} is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}:{error.port}: {_of_the_system(error.os_error)}"
    return str(error) or type(error).__name__


def _of_the_system(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):  # its numbers are OpenSSL's
        return f"no TLS: {error.strerror}"
    number = error.errno or 0
    # Name resolution has numbers of its own, below 0.
    return os.strerror(number) if number > 0 else error.strerror or str(error)
