"""What cannot be read stops the run, named by its offset."""

import pytest

from jetl2.landing import decode
from jetl2.landing.errors import RecordError
from jetl2.schemas import avro, records

GAP = records.Gap(exchange="kraken", symbol="X", seq=1)
EVENT = records.RawEvent(
    exchange="kraken", symbol="X", local_ts=1, connection_id="c", payload=b"\x00{"
)


def test_records_come_back_as_they_were_written() -> None:
    assert decode.decode(avro.encode(GAP), "market.kraken", 0, 0) == GAP
    assert decode.decode(avro.encode(EVENT), "raw.kraken", 0, 0) == EVENT


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"\xc3\x01unknown_and_more",
        avro.encode(GAP)[:-3],
        avro.encode(EVENT),
        avro.encode(records.Gap(exchange="binance", symbol="X")),
    ],
)
def test_a_record_that_does_not_belong_is_named_by_its_offset(value: bytes | None) -> None:
    with pytest.raises(RecordError, match=r"market\.kraken-2 offset 77 "):
        decode.decode(value, "market.kraken", 2, 77)


def test_topics_tell_dataset_and_exchange() -> None:
    assert decode.dataset_of("market.binance-futures") == "market"
    assert decode.dataset_of("raw.kraken") == "raw"
    assert decode.dataset_of("control.kraken") is None
    assert decode.dataset_of("market") is None
    assert decode.exchange_of("market.binance-futures") == "binance-futures"
