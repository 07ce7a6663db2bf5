"""Answers to what decisions ask of the world outside of the cluster: Prometheus, and load balancers."""
