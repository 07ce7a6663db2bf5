"""The doors for people: the executable `rollouts` and the kubectl plugin."""
