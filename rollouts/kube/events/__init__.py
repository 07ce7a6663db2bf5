"""Kubernetes Events: recorded without waiting, combined for a moment, posted off the hot path, flushed at shutdown.

An Event is an object in the API server, and an update of a canary has about twenty things to say. So what is said of
one object is held for a moment (`due`), and then what was said under one reason becomes one Event: its number as the
count, its distinct texts joined (`note`). What must not be mixed with each other stays apart (`batch`). What was
posted before, word for word, is counted up on the Event that is there (`poster`).
"""

from rollouts.kube.events.note import ENDS, Severity
from rollouts.kube.events.recorder import Recorder

__all__ = ["ENDS", "Recorder", "Severity"]
