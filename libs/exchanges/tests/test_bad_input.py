"""Whatever an exchange sends: `feed` never raises, and what it returns can be encoded."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.recording import Entry, Recording
from jetl2.exchanges.session import Session
from jetl2.schemas import avro
from jetl2.schemas.records import DeadLetter, Gap
from tests import sessions

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "0", "-1", "1e5", "1e-30", "9" * 25, "NaN", "snapshot", "\x00", "1.2.3"]),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just([["1", "2"], ["1"]]),
)


def _text(entry: Entry) -> bytes:
    """Return a message as it is without its compression."""
    payload = sessions.payload(entry)
    return gzip.decompress(payload) if payload.startswith(b"\x1f\x8b") else payload


def _json_lines(found: Recording) -> list[int]:
    """Return the lines of a session that hold JSON that was received."""
    return [
        number
        for number, entry in enumerate(sessions.lines(found))
        if entry["dir"] in sessions.RECEIVED and _text(entry)[:1] in (b"{", b"[")
    ]


@pytest.mark.parametrize(
    "found", [f for f in sessions.own() if _json_lines(f)], ids=lambda found: found.path.stem
)
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
@given(data=st.data())
def test_a_value_replaced_by_any_other_stops_nothing(found: Recording, data: st.DataObject) -> None:
    session, received = sessions.lines(found), _json_lines(found)
    line = data.draw(st.sampled_from(received))
    frame = json.loads(_text(session[line]))
    place = data.draw(st.sampled_from(_places(frame)))
    text = json.dumps(_replaced(frame, place, data.draw(ODD)))
    changed = {**session[line], "raw": text, "encoding": ""}
    engine = Session(found.exchange)
    outputs = [
        output
        # the symbol as it was, as the ingestor may have read it otherwise
        for raw in [
            *recording.events(found.exchange, session[:line]),
            *_as(found.exchange, session[line], changed),
            *recording.events(found.exchange, session[line:]),
        ]
        for output in engine.feed(raw)
    ]

    for output in outputs:
        assert avro.decode(avro.encode(output)) == output
    for symbol in engine.symbols():
        saved = engine.dump(symbol)
        engine.load(symbol, saved)
        assert engine.dump(symbol) == saved


def test_numbers_beyond_64_bits_are_dead_letters() -> None:
    exchange = adapters.get("binance")
    data = {"e": "depthUpdate", "E": 2**62, "s": "S", "U": 2**70, "u": 2**70, "b": [], "a": []}
    outputs = sessions.run(exchange, [_line(data)]).outputs

    assert [type(o) for o in outputs] == [DeadLetter]
    assert not any(isinstance(o, Gap) for o in outputs)


def _line(frame: Any) -> dict[str, Any]:
    return {"ts": "1767225600", "dir": "recv", "conn": "a", "raw": json.dumps(frame)}


def _as(exchange: Any, before: dict[str, Any], after: dict[str, Any]) -> list[Any]:
    """Return the raw events of a line with the payload of another."""
    found = list(recording.events(exchange, [before]))
    for raw in found:
        if raw.kind in ("frame", "snapshot"):
            raw.payload = after["raw"].encode()
    return found


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    return [path, *(p for key, child in children for p in _places(child, (*path, key)))]


def _replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = _replaced(node[path[0]], path[1:], value)
    return copy
