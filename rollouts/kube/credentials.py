"""The configuration of one cluster: kubeconfig files, flags, exec plugins, OIDC, or the service account of the pod that
we run in; and how to renew what expires in it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from rollouts.kube.access import (
    SERVICE_ACCOUNT,
    Access,
    AccessError,
    kubeconfig_paths,
    no_cluster,
    proxy_of,
    runs_in_a_pod,
    with_scheme,
)
from rollouts.kube.client_library import library
from rollouts.kube.errors import Unreachable
from rollouts.kube.rest import Query

_CHECK = 60.0
"""Seconds between two looks whether a plugin's token is about to expire."""


class Credentials:
    """Load them by `load`. `generation` counts how often they were renewed."""

    def __init__(self, access: Access, environ: Mapping[str, str]) -> None:
        self._access, self._environ = access, environ
        self.configuration = library().configuration.Configuration()
        self.namespace = "default"
        self.generation = 0
        self._loader: Any = None
        self._checked = 0.0
        self._lock = asyncio.Lock()

    @classmethod
    async def load(cls, access: Access, environ: Mapping[str, str]) -> "Credentials":
        self = cls(access, environ)
        self.configuration.disable_strict_ssl_verification = True  # many clusters' own authorities lack key identifiers
        config_error: type[Exception] = library().kube_config.ConfigException
        try:
            await self._read()
        except (config_error, yaml.YAMLError, OSError, ValueError, TypeError, AssertionError, AttributeError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise AccessError(f"the cluster configuration cannot be used: {said}") from error
        self._override()
        return self

    async def headers(self) -> Query:
        """The Authorization header as it stands; renews a plugin's token that is about to expire."""
        now = asyncio.get_running_loop().time()
        if hasattr(self._loader, "exec_plugin_expiry") and now - self._checked > _CHECK:
            self._checked = now
            try:
                await self._loader.load_from_exec_plugin()
            except Exception as error:
                raise Unreachable(f"the credentials plugin of the kubeconfig failed: {error}") from error
            self.configuration.api_key["BearerToken"] = self._loader.token
        value = await self.configuration.get_api_key_with_prefix("BearerToken")
        return [("Authorization", value.strip())] if value else []

    async def renewed(self, generation: int) -> bool:
        """Read the credentials anew, unless another request already did since `generation`; whether they are others."""
        async with self._lock:
            if generation != self.generation:
                return True
            before = self.configuration.api_key.get("BearerToken")
            fresh = await Credentials.load(self._access, self._environ)
            token = fresh.configuration.api_key.get("BearerToken")
            if not token or token == before:
                return False
            self.configuration.api_key["BearerToken"] = token
            self.configuration.refresh_api_key_hook = fresh.configuration.refresh_api_key_hook
            self._loader = fresh._loader
            self.generation += 1
            return True

    async def _read(self) -> None:
        named = kubeconfig_paths(self._access, self._environ)
        paths = _existing(named)
        if self._access.kubeconfig and not paths:
            raise AccessError(f"--kubeconfig {self._access.kubeconfig}: there is no such file")
        if paths:
            await self._read_kubeconfig(":".join(paths))
        elif runs_in_a_pod(self._environ):
            library().incluster_config.load_incluster_config(
                self.configuration,
                environ=self._environ,
                token_filename=f"{SERVICE_ACCOUNT}/token",
                cert_filename=f"{SERVICE_ACCOUNT}/ca.crt",
            )
            self.namespace = _pod_namespace() or self.namespace
        elif not self._access.server:
            raise AccessError(no_cluster(named))

    async def _read_kubeconfig(self, paths: str) -> None:
        kube_config, access = library().kube_config, self._access
        merger = kube_config.KubeConfigMerger(paths)
        name = access.context or merger.config["current-context"]
        context = merger.config["contexts"].get_with_name(name)["context"].value
        context.update({key: value for key, value in (("cluster", access.cluster), ("user", access.user)) if value})
        self._loader = kube_config.KubeConfigLoader(
            merger.config, active_context=name, config_base_path=None, config_persister=None
        )
        await self._loader.load_and_set(self.configuration)
        self.namespace = context.get("namespace") or self.namespace

    def _override(self) -> None:
        """Flags win over files."""
        access, configuration = self._access, self.configuration
        flags = {
            "host": access.server.rstrip("/"),
            "tls_server_name": access.tls_server_name,
            "ssl_ca_cert": access.certificate_authority,
            "cert_file": access.client_certificate,
            "key_file": access.client_key,
            "proxy": access.proxy_url,
        }
        for field, value in flags.items():
            if value:
                setattr(configuration, field, value)
        secured = bool(configuration.ssl_ca_cert or configuration.cert_file)
        configuration.host = with_scheme(str(configuration.host), secured)
        configuration.proxy = configuration.proxy or proxy_of(str(configuration.host), self._environ) or None
        if access.insecure_skip_tls_verify is not None:
            configuration.verify_ssl = not access.insecure_skip_tls_verify
        if access.token:
            configuration.api_key["BearerToken"] = f"Bearer {access.token}"
        elif access.username:
            configuration.api_key["BearerToken"] = aiohttp.encode_basic_auth(access.username, access.password)
        self.namespace = access.namespace or self.namespace


def _existing(paths: list[str]) -> list[str]:
    return [path for path in paths if Path(path).exists()]


def _pod_namespace() -> str:
    path = Path(SERVICE_ACCOUNT, "namespace")
    return path.read_text().strip() if path.exists() else ""
