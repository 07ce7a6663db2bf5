"""Pure. What an expression computes with: Go's values, numbers, dates and JSON."""
