"""What AWS asks of a request: credentials, found where every AWS client finds them, and a signature with them.

botocore finds and signs; what it does on the network is fetching credentials (instance metadata, web identity,
assumed roles), in a thread. It is loaded by the first metric that needs it: it costs a tenth of a second.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx

from analysis.providers.base import ProviderError
from analysis.providers.http import Answer, Request
from analysis.schema import Obj

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.session import Session

_PROTOCOL = "query"
KNOWN_FOR = 300
"""Seconds after which files and environment are read anew."""


@dataclass(frozen=True, slots=True)
class Account:
    """As whom to ask AWS: all empty means as the environment says."""

    region: str = ""
    profile: str = ""
    role_arn: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests for one service. `secrets`: what must not be shown of the credentials."""

    region: str
    secrets: tuple[str, ...]
    _sign: Callable[[str, Request], Mapping[str, str]]

    def signed(self, request: Request, service: str) -> Request:
        """The request with its signature; a form becomes the bytes that are signed, parameters part of the URL."""
        plain = fixed(request)
        return replace(plain, headers=self._sign(service, plain), redirects=False)


async def signer(account: Account, now: datetime) -> Signer:
    """A signer with credentials that are valid now. ProviderError when there are none, or no region."""
    return await asyncio.to_thread(_signer, account, int(now.timestamp()) // KNOWN_FOR)


def fixed(request: Request) -> Request:
    """The request with nothing left for the HTTP client to encode."""
    url, content, headers = str(httpx.URL(request.url)), request.content, dict(request.headers)
    if request.params:
        url = f"{url}?{urlencode(request.params, safe='-_.~', quote_via=quote)}"
    if request.form is not None:
        content = urlencode(request.form).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return replace(request, url=url, content=content, headers=headers, params={}, form=None)


def _signer(account: Account, period: int) -> Signer:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session, credentials = _known(account, period)
        # botocore itself knows AWS_DEFAULT_REGION only; every other client of AWS asks AWS_REGION first.
        region = account.region or os.environ.get("AWS_REGION") or session.get_config_variable("region") or ""
        frozen = credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise ProviderError(f"no credentials for AWS: {error}") from error
    if not region:
        raise ProviderError("no AWS region: set it in the metric, where it has such a field, or as AWS_REGION")

    def sign(service: str, request: Request) -> Mapping[str, str]:
        aws = AWSRequest(request.method, request.url, dict(request.headers), request.content or b"")
        SigV4Auth(frozen, service, region).add_auth(aws)
        return dict(aws.headers.items())

    return Signer(region, tuple(filter(None, (frozen.secret_key, frozen.token))), sign)


@lru_cache(maxsize=32)
def _known(account: Account, period: int) -> "tuple[Session, Credentials]":
    """A session and its credentials, which renew themselves; `period` is only there to forget them."""
    session = _session(account.profile)
    credentials = session.get_credentials()
    if credentials is None:
        raise ProviderError("no credentials for AWS: neither environment, files, web identity nor instance have any")
    return session, _assumed(session, account) if account.role_arn else credentials


def _session(profile: str) -> "Session":
    from botocore.session import Session

    return Session(profile=profile or None)


def _assumed(session: "Session", account: Account) -> "Credentials":
    """Credentials of another role, renewed as they run out."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    def client(service: str, **options: Any) -> Any:
        return session.create_client(service, region_name=account.region or None, **options)

    fetcher = AssumeRoleCredentialFetcher(client, session.get_credentials(), account.role_arn)
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


class Api:
    """A service's own way to ask: where it is, and how its operations are written and read."""

    def __init__(self, name: str, region: str) -> None:
        client = _session("").create_client(name, region_name=region)  # for what it knows; it sends nothing
        self._model, self._url = client.meta.service_model, client.meta.endpoint_url.rstrip("/")

    def write(self, operation: str, asked: Obj, timeout: timedelta) -> Request:
        """An operation as HTTP. ProviderError for what it does not take."""
        from botocore.exceptions import ParamValidationError
        from botocore.serialize import create_serializer

        model = self._model.operation_model(operation)
        try:
            made = create_serializer(_PROTOCOL).serialize_to_request(asked, model)
        except ParamValidationError as error:
            raise ProviderError(str(error)) from error
        content = urlencode(made["body"]).encode()
        return Request(made["method"], self._url + made["url_path"], made["headers"], content=content, timeout=timeout)

    def read(self, operation: str, answer: Answer) -> Obj:
        """What an operation answered. ProviderError for a refusal."""
        from botocore.parsers import ResponseParserError, create_parser

        response = {"status_code": answer.status, "headers": {}, "body": answer.body}
        try:
            found: Obj = create_parser(_PROTOCOL).parse(response, self._model.operation_model(operation).output_shape)
        except ResponseParserError as error:
            raise ProviderError(f"{operation}: answered {answer.status} with what is not its XML: {error}") from error
        if answer.status >= 300:
            fault = found.get("Error") or {}
            code, message = fault.get("Code", answer.status), fault.get("Message", answer.excerpt)
            raise ProviderError(f"operation error {operation}: api error {code}: {message}")
        return found


async def api(name: str, region: str, now: datetime) -> Api:
    """How to ask a service of a region."""
    return await asyncio.to_thread(_api, name, region, int(now.timestamp()) // KNOWN_FOR)


@lru_cache(maxsize=8)
def _api(name: str, region: str, period: int) -> Api:
    return Api(name, region)
