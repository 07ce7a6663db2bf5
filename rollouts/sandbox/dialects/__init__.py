"""Pure. The routing objects that the sandbox's gateway understands; a new dialect is one entry here."""

from rollouts.sandbox.dialects.istio import Istio
from rollouts.sandbox.routing import Dialect

DIALECTS: tuple[Dialect, ...] = (Istio(),)
