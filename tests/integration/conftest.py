"""The real components for every test of this folder."""

import pytest

pytest_plugins = ["jetl2.testkit.broker"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Spark's own sockets be.

    A Spark session in the tests' process leaves sockets of py4j to the garbage collector, which
    tells whichever test runs when it comes by. Unit tests stay strict.
    """
    for item in items:
        item.add_marker(
            pytest.mark.filterwarnings(
                r"ignore:Exception ignored in. <socket\.socket:pytest.PytestUnraisableExceptionWarning"
            )
        )
