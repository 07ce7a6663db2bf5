"""A cluster in a process: API server, workloads, pods that serve real requests, and users who send them."""
