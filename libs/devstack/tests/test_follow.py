"""The reader of the merged stream: what it keeps of records, and what it notices."""

from collections import Counter

from jetl2.devstack.follow import Follower, quantile
from jetl2.schemas.records import BookDelta, Gap, Trade

AT = 1_795_000_000_000_000_000
MS = 1_000_000
NAMES = {"exchange": "kraken", "symbol": "AB", "local_ts": AT}


def book(seq: int, bids: dict[int, int], asks: dict[int, int], **fields: object) -> BookDelta:
    """Return a record with prices in cents and sizes in tenths."""
    return BookDelta(
        **(NAMES | {"seq": seq, "price_exponent": -2, "size_exponent": -1} | fields),  # type: ignore[arg-type] # of these types
        bid_prices=list(bids),
        bid_sizes=list(bids.values()),
        ask_prices=list(asks),
        ask_sizes=list(asks.values()),
    )


def test_books_are_those_of_the_records_whatever_their_exponents() -> None:
    follower = Follower()
    follower.take(
        [
            book(1, {999: 5}, {1001: 5}, is_snapshot=True),
            book(2, {1000: 20, 999: 0}, {}),
            book(3, {}, {102: 3}, price_exponent=-1, size_exponent=0),
        ],
        AT,
    )

    bids, asks = [("10", "2")], [("10.01", "0.5"), ("10.2", "3")]
    assert follower.differs("kraken", "AB", bids, asks) == ""
    assert "the bid at 10 is 2" in follower.differs("kraken", "AB", [("10", "1")], asks)
    assert "10.2 is 3 in the merged stream and must be missing" in follower.differs(
        "kraken", "AB", bids, asks[:1]
    )
    assert "is missing" in follower.differs("kraken", "CD", bids, asks)


def test_a_snapshot_replaces_the_book() -> None:
    follower = Follower()
    follower.take([book(1, {999: 5}, {}), book(2, {998: 5}, {}, is_snapshot=True)], AT)

    assert follower.differs("kraken", "AB", [("9.98", "0.5")], []) == ""


def test_holes_and_repetitions_of_numbers_and_gaps_are_counted() -> None:
    follower = Follower()
    numbers = (1, 2, 5, 5, 6)
    follower.take([book(n, {}, {}) for n in numbers], AT)
    follower.take([Gap(**NAMES, seq=7, reason="sequence")], AT)  # type: ignore[arg-type] # of these types

    assert (follower.records, follower.missing, follower.repeated) == (6, 2, 1)
    assert follower.gaps == {"sequence": 1}


def test_lateness_is_from_the_socket_to_visible_and_is_told_once() -> None:
    follower = Follower()
    trade = Trade(**NAMES, seq=1, price=1, price_exponent=0, size=1, size_exponent=0)  # type: ignore[arg-type] # of these types
    follower.take([trade], AT + 70 * MS)

    assert follower.lateness() == {70: 1}
    assert follower.lateness() == {}


def test_quantiles_of_lateness() -> None:
    late_ms = Counter({10: 98, 200: 1, 900: 1})

    assert quantile(late_ms, 0.5) == 11
    assert quantile(late_ms, 0.99) == 201
    assert quantile(Counter(), 0.5) == 0
