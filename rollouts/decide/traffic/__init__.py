"""Pure. What each Service selects, which share of the traffic it gets, and how we know that it does."""
