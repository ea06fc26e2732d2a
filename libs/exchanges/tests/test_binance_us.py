"""Binance.US alone: its own hosts and books under the protocol of Binance spot."""

from jetl2.exchanges import adapters, recording

US = adapters.get("binance-us")


def test_its_host_tells_it_apart() -> None:
    found = recording.endpoint_of("wss://stream.binance.us:9443/stream?streams=a@depth@100ms")

    assert found is US


def test_books_and_lists_are_of_its_own_site() -> None:
    assert US.snapshot
    assert US.snapshot.url("A") == "https://api.binance.us/api/v3/depth?symbol=A&limit=1000"
    assert US.instruments.url == "https://api.binance.us/api/v3/exchangeInfo"


def test_dollars_are_a_quote() -> None:
    assert US.instruments.volumes
    tickers = [
        {"symbol": "USDTUSD", "lastPrice": "0.5", "quoteVolume": "7"},
        {"symbol": "BTCUSD", "lastPrice": "50000", "quoteVolume": "10"},
    ]

    assert dict(US.instruments.volumes(tickers)) == {"USDTUSD": 14, "BTCUSD": 20}
