"""AnalysisRuns over a cluster: lends `analysis` the cache, the clock and secrets, and stores what it concludes."""

from rollouts.analysisrun.access import ClusterSecrets, ProviderAccess
from rollouts.analysisrun.controller import AnalysisRunController

__all__ = ["AnalysisRunController", "ClusterSecrets", "ProviderAccess"]
