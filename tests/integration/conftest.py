"""The real components for every test of this folder."""

pytest_plugins = ["jetl2.testkit.broker"]
