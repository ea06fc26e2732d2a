"""The simulated market: repeatable, never crossed, told exactly."""

from jetl2.devstack.market import Listing, Market

LISTING = Listing("BTC-USD", "BTC", "USD", 2, 8, 6_500_000)
SECOND = 1_000_000_000


def test_the_same_seed_makes_the_same_books_and_another_seed_others() -> None:
    first, second, other = (_traded(seed) for seed in (7, 7, 8))

    assert first.book() == second.book()
    assert first.samples == second.samples
    assert first.book() != other.book()


def test_the_book_is_never_crossed_and_numbers_and_times_only_grow() -> None:
    market = Market(LISTING, 1)
    last_id, last_ts = market.update_id, 0
    for _ in range(3000):
        event = market.step(SECOND)
        bid, _, ask, _ = market.best()
        assert bid < ask
        assert event.first_id == last_id + 1 == event.prev_id + 1
        assert event.last_id == event.first_id + len(event.bids) + len(event.asks) - 1
        assert event.ts > last_ts
        last_id, last_ts = event.last_id, event.ts


def test_applying_the_events_gives_the_true_book() -> None:
    market = Market(LISTING, 3)
    bids, asks = dict(market.bids), dict(market.asks)
    for _ in range(500):
        event = market.step(SECOND)
        for side, changes in ((bids, event.bids), (asks, event.asks)):
            side.update(changes)
            for price in [p for p, size in side.items() if not size]:
                del side[price]

    assert (bids, asks) == (market.bids, market.asks)


def test_numbers_have_all_their_decimals_on_the_wire_and_none_too_many_in_the_truth() -> None:
    assert LISTING.price_text(1) == "0.01"
    assert LISTING.size_text(100_000_000) == "1.00000000"
    market = Market(LISTING, 1)
    market.bids = {6_500_000: 150_000_000}

    assert market.book()[0] == [("65000", "1.5")]


def _traded(seed: int) -> Market:
    market = Market(LISTING, seed)
    for number in range(400):
        market.step(number * SECOND)
    return market
