"""Experiments: versions that run beside each other for a while, watched by analyses. World and moment in, plan out."""
