"""`rollouts explain`: a template or a Rollout in words, found out by leading runs of it through the engine."""

from rollouts.explain.page import explain

__all__ = ["explain"]
