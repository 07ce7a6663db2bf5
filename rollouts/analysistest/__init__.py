"""`rollouts test`: what a template comes to when its providers answer like this, in virtual time.

fixture   how a test is written
answers   what is written becomes what a provider hears
play      leads a run through the engine
suite     files become tests, tests become outcomes
junit     outcomes become a report
"""

from rollouts.analysistest.suite import Outcome, run_tests

__all__ = ["Outcome", "run_tests"]
