"""Times as people write them."""

import pytest

from jetl2.client import times
from jetl2.client.errors import Invalid

DAY = 1_795_305_600 * 1_000_000_000


@pytest.mark.parametrize(
    "text, ns",
    [
        ("2026-11-22", DAY),
        ("2026-11-22T00:00", DAY),
        ("2026-11-22 01:00:01", DAY + 3601 * 10**9),
        ("2026-11-22T00:00:00.5Z", DAY + 5 * 10**8),
        ("2026-11-22T00:00:00.123456789", DAY + 123456789),
    ],
)
def test_a_time_is_utc_to_the_nanosecond(text: str, ns: int) -> None:
    assert times.parse(text) == ns


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-22T25:00", "1795305600"])
def test_what_is_no_time_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(Invalid, match="write 2026-11-22"):
        times.parse(text)


def test_times_are_shown_to_the_second() -> None:
    assert times.show(DAY + 1) == "2026-11-22T00:00:00Z"
    assert times.show(0) == ""
