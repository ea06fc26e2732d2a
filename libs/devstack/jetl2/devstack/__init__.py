"""The real components on one machine, for `make demo` and integration tests."""
