"""HitBTC alone: its requests, what it lists, retired API, and messages that others collected."""

import json

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UnexpectedFrame, UnsupportedRecording
from jetl2.exchanges.exchange import Address, Instrument, read
from jetl2.schemas.records import DerivativeTicker
from tests import collected, sessions

HITBTC = adapters.get("hitbtc")


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check("hitbtc", "hitbtc", lambda e: "HitBTC v3" in e["api"], least=10)


def test_sessions_of_the_retired_api_2_are_refused() -> None:
    retired = [
        path for path in sessions.files() if path.name.startswith(("session-v2", "session-b"))
    ]
    for path in retired:
        if path.parent.name == "hitbtc":
            with pytest.raises(UnsupportedRecording, match="api/2/ws"):
                recording.recognise(path)


@pytest.mark.parametrize("host", ["api.hitbtc.com", "api.fmfw.io", "api.pro.changelly.com"])
def test_its_clones_are_known_by_their_hosts(host: str) -> None:
    assert recording.endpoint_of(f"wss://{host}/api/3/ws/public") is HITBTC
    assert recording.endpoint_of(f"wss://{host}/api/2/ws/public") is None


def test_each_channel_is_asked_for_with_all_symbols() -> None:
    frames = HITBTC.subscribe(["A", "B_PERP"], ["book_delta", "derivative_ticker"])

    asked = [(json.loads(f)["ch"], json.loads(f)["params"]["symbols"]) for f in frames]
    assert asked == [("orderbook/full", ["A", "B_PERP"]), ("futures/info", ["A", "B_PERP"])]


def test_a_frame_may_be_of_several_symbols_or_of_none() -> None:
    batch = b'{"ch":"ticker/1s/batch","data":{"A":{},"B":{}}}'

    assert HITBTC.classify(batch) == (
        Address("A", "ticker/1s/batch"),
        Address("B", "ticker/1s/batch"),
    )
    assert HITBTC.classify(b'{"result":{"ch":"trades"},"id":1}') == (Address("", "ack"),)
    assert HITBTC.classify(b'{"error":{"code":2003},"id":1}') == (Address("", "error"),)


def test_a_futures_info_tells_rates_and_prices() -> None:
    info = {"t": 1767225600000, "m": "1.5", "i": "1.4", "o": "7", "r": "0.1", "R": "-0.2", "T": 0}
    _, (found,) = read(
        HITBTC, json.dumps({"ch": "futures/info", "data": {"A_PERP": info}}).encode()
    )

    assert isinstance(found, DerivativeTicker)
    assert (found.mark_price, found.index_price, found.open_interest) == ("1.5", "1.4", "7")
    assert (found.funding_rate, found.predicted_funding_rate, found.funding_ts) == (
        "0.1",
        "-0.2",
        0,
    )


@pytest.mark.parametrize(
    "frame,error",
    [
        ({"ch": "orderbook/full", "data": {}}, "a snapshot or an update"),
        ({"ch": "user/orders"}, "found 'user/orders'"),
        ({"jsonrpc": "2.0", "method": "updateOrderbook"}, "notification with ch"),
    ],
)
def test_a_shape_that_the_protocol_does_not_have_is_reported(
    frame: dict[str, object], error: str
) -> None:
    with pytest.raises(UnexpectedFrame, match=error):
        read(HITBTC, json.dumps(frame).encode())


def test_instruments_are_spot_pairs_and_perpetuals() -> None:
    steps = {"tick_size": "0.01", "quantity_increment": "0.1"}
    spot = {"type": "spot", "base_currency": "A", "quote_currency": "B", "status": "suspended"}
    futures = {"type": "futures", "underlying": "A", "quote_currency": "B", "expiry": None}
    found = list(HITBTC.instruments.parse({"AB": spot | steps, "AB_PERP": futures | steps}))

    assert found == [
        Instrument("AB", "A", "B", "spot", False, "0.01", "0.1"),
        Instrument("AB_PERP", "A", "B", "perpetual", True, "0.01", "0.1"),
    ]
    assert HITBTC.instruments.volumes
    volumes = HITBTC.instruments.volumes({"AB": {"volume_quote": "12.5"}, "CD": {}})
    assert dict(volumes) == {"AB": 12.5, "CD": 0.0}
