"""Pure. The Gateway API's dialect, under the name and configuration of the plugin that Argo Rollouts needs for it."""

from rollouts.traffic.gateway.router import Gateway

__all__ = ["Gateway"]
