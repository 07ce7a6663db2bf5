"""Pure. Istio's dialect: VirtualServices that carry the weights, and a DestinationRule whose subsets follow the pods."""

from rollouts.traffic.istio.router import Istio

__all__ = ["Istio"]
