"""Pure. What is known of an expression before it runs: its types, what can never work, what is folded away."""
