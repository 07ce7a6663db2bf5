"""OAuth2 client credentials: a token for one measurement."""

import base64
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import quote

from analysis.expr.gotypes.jsontext import from_json
from analysis.metricprovider import Authentication, OAuth2Config
from analysis.providers.base import ProviderError
from analysis.providers.http import Answer, Http, HttpError, Request

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def credentials(authentication: Authentication | None) -> OAuth2Config | None:
    """The OAuth2 configuration if there is one. ProviderError when it is not complete."""
    config = authentication.oauth2 if authentication else None
    if config is None or not config.token_url:
        return None
    if not config.client_id or not config.client_secret:
        raise ProviderError("missing mandatory parameter in metric for OAuth2 setup")
    return config


async def token(http: Http, config: OAuth2Config, timeout: timedelta) -> str:
    """A fresh access token, asked for with the credentials in the header and, where refused, in the body."""
    form = {"grant_type": "client_credentials"}
    if config.scopes:
        form["scope"] = " ".join(config.scopes)
    pair = f"{quote(config.client_id, safe='')}:{quote(config.client_secret, safe='')}"
    header = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    secret = {"client_id": config.client_id, "client_secret": config.client_secret}
    answer = await _asked(http, Request("POST", config.token_url, header, form=form, timeout=timeout))
    if not answer.status < 300:
        answer = await _asked(http, Request("POST", config.token_url, form=form | secret, timeout=timeout))
    if not answer.status < 300:
        reason = _PHRASES.get(answer.status, "")
        raise ProviderError(f"oauth2: cannot fetch token: {answer.status} {reason}\nResponse: {answer.text[:512]}")
    try:
        found = from_json(answer.text)["access_token"]
    except (ValueError, KeyError, TypeError):
        raise ProviderError("oauth2: server response missing access_token") from None
    return str(found)


async def _asked(http: Http, request: Request) -> Answer:
    try:
        return await http.send(request)
    except HttpError as error:
        raise ProviderError(f"oauth2: cannot fetch token: {error}") from error
