"""What the controller tells Prometheus: counts and times of its work, and states of objects."""

from rollouts.metrics.metrics import Metrics

__all__ = ["Metrics"]
