"""`rollouts lint`: what is wrong with manifests, or will go wrong, told without a cluster.

manifests   files become documents that know their lines
fileset     documents become Rollouts, templates and Services that find each other
registry    what a rule is, and all of them
*_rules     the rules, one small function each
"""

from rollouts.lint.engine import lint
from rollouts.lint.registry import Finding, Severity

__all__ = ["Finding", "Severity", "lint"]
