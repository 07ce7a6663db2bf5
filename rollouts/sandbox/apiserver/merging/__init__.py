"""Writes that merge: patches of all four types, and who owns which field."""
