"""Pure. A checked tree computes: operators, members, functions and predicates, within what it may spend."""
