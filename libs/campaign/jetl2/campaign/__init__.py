"""The fault campaign: what must never happen, tried on purpose, on real components."""
