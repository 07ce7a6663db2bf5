"""Pure. A text becomes tokens, and tokens become a tree."""
