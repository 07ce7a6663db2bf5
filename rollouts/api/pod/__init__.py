"""Pure. Pod templates: their fields in Go's order, what the API server fills in, and what they may not say."""
