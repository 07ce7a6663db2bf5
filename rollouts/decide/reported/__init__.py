"""Pure. What clients read: status, phase, conditions and durations of a Rollout."""
