"""Pure. What a spec may not say, as far as it can be told without a cluster."""
