"""The Python client and the jetl2 command."""
