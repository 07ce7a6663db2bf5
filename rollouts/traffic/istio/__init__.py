"""Pure. Istio's dialect: VirtualServices carry the weights, a DestinationRule's subsets follow the pods."""

from rollouts.traffic.istio.router import Istio

__all__ = ["Istio"]
