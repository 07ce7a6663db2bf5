"""`rollouts backtest`: what a template would have said of the past, by the history of a real Prometheus.

history     asks Prometheus, and remembers what it said
replay      leads a run through a moment of the past
thresholds  the same template with other limits
study       many runs, the incidents they found, and a sweep of thresholds
"""

from rollouts.backtest.study import Study, Verdicts, studied

__all__ = ["Study", "Verdicts", "studied"]
