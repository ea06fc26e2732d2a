"""Bytes of every release stay readable; run as a program, this writes those of a new release.

    python libs/schemas/tests/test_golden.py 0.2.0

Each file of golden/ holds, for one release, a record of each type: its bytes as that release wrote
them, and what must be read from them. Files are added, never edited.
"""

import base64
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from jetl2.schemas import avro

GOLDEN = Path(__file__).parent / "golden"

LINEAGE = {
    "exchange": "kraken",
    "symbol": "BTC/USD",
    "exchange_ts": 1_795_000_000_000_000_001,
    "local_ts": 1_795_000_000_123_456_789,
    "seq": 42,
    "first_seq": 7,
    "last_seq": 9_007_199_254_740_993,
    "prev_seq": -1,
    "source_topic": "raw.kraken",
    "source_partition": 3,
    "source_offset": 12_345_678_901,
    "source_index": 2,
    "merge_ts": 1_795_000_000_223_456_789,
}
TRADE = {"trade_id": "t-1", "aggressor": "sell", "price": 6_000_050, "price_exponent": -2}
TRADE |= {"size": 1, "size_exponent": -8}
RAW = {"exchange": "okex", "symbol": "BTC-USDT", "channel": "books", "local_ts": 1, "counter": 8}
RAW |= {"connection_id": "host-1-2-3", "kind": "frame", "payload": b'{"\xc3\xa4":"\x00"}'}

EXAMPLES: dict[str, dict[str, Any]] = {
    "RawEvent": RAW,
    "BookDelta": LINEAGE
    | {
        "is_snapshot": True,
        "reason": "resync",
        "price_exponent": -2,
        "size_exponent": -18,
        "bid_prices": [100, 99],
        "bid_sizes": [2**63 - 1, 0],
        "ask_prices": [101],
        "ask_sizes": [1],
        "checksum": -5,
        "verified": "passed",
        "crossed": True,
        "duplicates": 3,
    },
    "Trade": LINEAGE | TRADE,
    "BookTicker": LINEAGE
    | {"price_exponent": -1, "size_exponent": 0, "bid_price": 5, "bid_size": 6, "ask_price": None},
    "DerivativeTicker": LINEAGE | {"funding_ts": 1, "funding_rate": "0.0001", "mark_price": "1.5"},
    "Liquidation": LINEAGE | TRADE,
    "Gap": LINEAGE | {"reason": "sequence", "detail": "expected 5, found 7", "from_ts": 11},
    "Resync": {"exchange": "okex", "symbol": "BTC-USDT", "connection_id": "c", "reason": "gap"},
    "DeadLetter": RAW | {"error": "no JSON: ü", "source_topic": "raw.okex", "source_offset": 4},
    "BookState": {
        "exchange": "okex",
        "symbol": "BTC-USDT",
        "seq": 1,
        "chain": 2**32 - 1,
        "source_topic": "raw.okex",
        "source_partition": 0,
        "source_offset": 2**40,
        "session": b"{}",
    },
    "Commit": {"offsets": {"raw.okex": 5}, "seqs": {"okex|X": 2}, "chains": {"okex|X": 3}},
}


def releases() -> list[Path]:
    return sorted(GOLDEN.glob("*.json"))


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{file.stem}-{case['record']}")
        for file in releases()
        for case in json.loads(file.read_text())
    ]


@pytest.mark.parametrize("case", cases())
def test_bytes_of_every_release_are_read_as_they_were_meant(case: dict[str, Any]) -> None:
    record = avro.decode(base64.b64decode(case["bytes"]))

    assert type(record).__name__ == case["record"]
    found = shown(record)
    assert {name: found[name] for name in case["fields"]} == case["fields"]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_what_is_written_now_is_among_the_released_bytes(name: str) -> None:
    """Fails after a schema was changed: keep the old file in avsc/history/, add golden bytes."""
    newest = json.loads(releases()[-1].read_text())

    written = avro.encode(avro.type_by_name[name](**EXAMPLES[name]))

    assert base64.b64encode(written).decode() in [c["bytes"] for c in newest if c["record"] == name]


def test_there_is_an_example_of_every_record() -> None:
    assert set(EXAMPLES) == set(avro.type_by_name)


def shown(record: Any) -> dict[str, Any]:
    fields = dataclasses.asdict(record)
    return {
        n: f"base64:{base64.b64encode(v).decode()}" if isinstance(v, bytes) else v
        for n, v in fields.items()
    }


def write(version: str) -> None:
    found = []
    for name, values in EXAMPLES.items():
        record = avro.type_by_name[name](**values)
        value = base64.b64encode(avro.encode(record)).decode()
        found.append({"record": name, "bytes": value, "fields": shown(record)})
    file = GOLDEN / f"{version}.json"
    with file.open("x") as out:
        json.dump(found, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    write(sys.argv[1])
