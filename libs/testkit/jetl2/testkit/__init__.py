"""For tests only: strategies, reference implementations, real components."""
