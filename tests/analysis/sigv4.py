"""AWS Signature Version 4 from the server's side, written after Amazon's description and independent of botocore."""

import hashlib
import hmac
import re
from collections.abc import Callable
from urllib.parse import quote

from aiohttp import web

from tests.analysis.served import Handler

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})")


def verified(
    answer: Handler, service: str, region: str, keys: Callable[[str], str | None] = {ACCESS_KEY: SECRET_KEY}.get
) -> Handler:
    """`answer` for requests that are rightly signed, 403 for all others. `keys`: secret keys by access key."""

    async def checked(request: web.Request) -> web.StreamResponse:
        found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if found is None:
            return web.Response(status=403, text="not signed")
        access_key, scope = found[1].split("/", 1)
        date = request.headers["X-Amz-Date"]
        if scope != f"{date[:8]}/{region}/{service}/aws4_request":
            return web.Response(status=403, text=f"signed for {scope}")
        body = await request.read()
        canonical = _canonical(request, found[2], body)
        text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{keys(access_key)}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        if hmac.digest(key, text.encode(), "sha256").hex() != found[3]:
            return web.Response(status=403, text=f"wrong signature of {canonical}")
        return await answer(request)

    return checked


def _canonical(request: web.Request, signed: str, body: bytes) -> str:
    query = sorted((quote(key, safe="-_.~"), quote(value, safe="-_.~")) for key, value in request.query.items())
    headers = [f"{name}:{' '.join(request.headers[name].split())}" for name in signed.split(";")]
    return "\n".join(
        [
            request.method,
            quote(request.rel_url.raw_path, safe="/-_.~"),
            "&".join(f"{key}={value}" for key, value in query),
            *headers,
            "",
            signed,
            hashlib.sha256(body).hexdigest(),
        ]
    )
