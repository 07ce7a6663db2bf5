"""Judges releases: AnalysisTemplates, AnalysisRuns, the conditions in them and the places numbers come from.

Knows nothing of Kubernetes' API; what it needs from a cluster (secrets, jobs) is lent to it through small protocols.
"""
