"""Pure. The routing objects that the sandbox's gateway understands; a new dialect is one entry here.

Where several speak of one host, the first one's word counts.
"""

from rollouts.sandbox.dialects.gatewayapi import GatewayApi
from rollouts.sandbox.dialects.ingress import Ingress
from rollouts.sandbox.dialects.istio import Istio
from rollouts.sandbox.routing import Dialect

DIALECTS: tuple[Dialect, ...] = (Istio(), GatewayApi(), Ingress())
