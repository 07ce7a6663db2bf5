"""Pure. ReplicaSets: what their pods are, how many there should be, and how long those of an old version are kept."""
