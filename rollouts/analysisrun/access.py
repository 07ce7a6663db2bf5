"""What of the cluster is lent to analysis: secrets, objectives, and what metric providers work with."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.providers.base import Jobs, ObjectiveError, SecretError
from analysis.providers.http import Http
from analysis.schema import Obj
from rollouts.kube.cache import Cache
from rollouts.kube.errors import NotFound, Refused
from rollouts.kube.refs import JOB, SECRET, SERVICE_LEVEL_OBJECTIVE
from rollouts.kube.wire import Wire


class ClusterSecrets:
    """Secrets read from the cluster, each time anew: a rotated one counts at the next measurement."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def get(self, namespace: str, name: str) -> Mapping[str, bytes]:
        try:
            secret = await self._wire.get(SECRET, namespace, name)
        except (NotFound, Refused) as error:  # any other error is the API server's, and passes
            raise SecretError(error.message) from error
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


class ClusterObjectives:
    """ServiceLevelObjectives of Pyrra, read from the cluster where a run is judged by one, each time anew."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def get(self, namespace: str, name: str) -> Obj:
        try:
            return await self._wire.get(SERVICE_LEVEL_OBJECTIVE, namespace, name)
        except (NotFound, Refused) as error:  # any other error is the API server's, and passes
            known = not isinstance(error, NotFound) or name in error.message
            why = error.message if known else "the cluster knows no such kind; is Pyrra installed?"
            where = f"ServiceLevelObjective '{name}' ({SERVICE_LEVEL_OBJECTIVE.group}) in namespace '{namespace}'"
            raise ObjectiveError(f"{where}: {why}") from error


@dataclass(frozen=True)
class ProviderAccess:
    """What metric providers work with.

    `jobs` runs Jobs, and `known_jobs` holds them as they were last heard of: a measurement whose Job has ended is
    looked at at once. `controller_namespace` is where the Secrets lie that every run uses.
    """

    http: Http = field(default_factory=Http)
    jobs: Jobs | None = None
    known_jobs: Cache = field(default_factory=lambda: Cache(JOB))
    controller_namespace: str = "argo-rollouts"
