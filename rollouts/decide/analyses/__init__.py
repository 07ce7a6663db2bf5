"""Pure. The AnalysisRuns and Experiments of an update: their specs, their lives, their verdicts."""
