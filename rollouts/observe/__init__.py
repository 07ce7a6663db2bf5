"""From caches to worlds: what decisions may read of the cluster, at one moment. Does no I/O."""

from rollouts.observe.observer import Observer

__all__ = ["Observer"]
