"""The wire: the only place that knows how Kubernetes talks."""
