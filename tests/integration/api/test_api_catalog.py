"""What there is: catalog, coverage and books from the lake; health, reflection, keys."""

import hashlib
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from jetl2.api_grpc import auth
from jetl2.api_grpc.server import SERVICES
from jetl2.client.client import Client
from jetl2.client.errors import ApiError
from jetl2.devstack.process import wait_until
from jetl2.landing import layout
from jetl2.landing.coverage import Coverage, folder
from jetl2.schemas import lake
from jetl2.schemas.pb import catalog_pb2
from jetl2.schemas.records import BookDelta, Gap, MarketRecord, Trade

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

DAY = 1_795_305_600 * 1_000_000_000  # 2026-11-22
HOUR_NS = 3600 * 1_000_000_000
SECOND = 1_000_000_000


def test_the_catalog_is_what_was_landed(stage: Any, client: Client) -> None:
    stage.land("okex", "BTC/USD:PERP 1", ["2026-11-23", "2026-11-20"], ["trade"])
    stage.land("binance", "ethusdt", data_types=["book_ticker"])
    stage.land("unseen", "X", data_types=["raw", "coverage"])

    assert list(client.exchanges()) == ["binance", "okex"]
    assert list(client.symbols("okex")) == ["BTC/USD:PERP 1"]
    assert list(client.symbols("binance")) == ["BTCUSDT", "ethusdt"]
    assert list(client.symbols("binance", "eth")) == ["ethusdt"]
    dates = list(client.dates("okex", "BTC/USD:PERP 1", "trades"))
    assert dates == ["2026-11-20", "2026-11-23"]
    assert list(client.dates("binance", "BTCUSDT", "book_ticker")) == []
    assert [name for name, _ in client.data_types()] == [
        "trades",
        "incremental_book_L2",
        "book_snapshot_5",
        "book_snapshot_25",
        "quotes",
        "book_ticker",
        "derivative_ticker",
        "liquidations",
    ]


def test_symbols_are_listed_in_pages(stage: Any, client: Client) -> None:
    for number in range(5):
        stage.land(symbol=f"S{number}", data_types=["trade"])
    request = catalog_pb2.ListSymbolsRequest(exchange="binance", page_size=4)
    pages = list(client._pages(client._catalog.ListSymbols, request))

    assert [list(p.symbols) for p in pages] == [["BTCUSDT", "S0", "S1", "S2"], ["S3", "S4"]]


def test_what_was_landed_a_moment_ago_can_be_exported(stage: Any, serve: Any) -> None:
    client = serve(catalog_s=3600)
    assert list(client.exchanges()) == ["binance"]
    stage.land("kraken", "BTC/USD")

    operation = client.create_export([("kraken", "BTC/USD")], ["trades"], DAY, DAY + HOUR_NS)

    assert client.wait(operation.name).file_count == 1


def _land(stage: Any, records: list[MarketRecord], start: int = 0) -> None:
    """Write records as the landing job does."""
    coverage = Coverage("kraken")
    by_type: dict[str, list[MarketRecord]] = {}
    for record in records:
        by_type.setdefault(layout.data_type(record), []).append(record)
        coverage.add(record, layout.rows(record))
    name = lake.object_name("market.kraken", 0, start, start + len(records))
    for data_type, of in by_type.items():
        table = layout.table(data_type, [(r.local_ts, r.seq, r) for r in of], 0)
        place = lake.folder(data_type, "kraken", lake.date(of[0].local_ts), "BTC/USD")
        stage.lake.put(place + name, layout.parquet(table))
    for day, table in coverage.tables():
        stage.lake.put(folder("kraken", day) + name, layout.parquet(table))


def _book(seq: int, seconds: int, bids: Any, asks: Any, **other: Any) -> BookDelta:
    return BookDelta(
        exchange="kraken",
        symbol="BTC/USD",
        seq=seq,
        local_ts=DAY + seconds * SECOND,
        exchange_ts=DAY + seconds * SECOND - 5,
        price_exponent=-1,
        size_exponent=-8,
        bid_prices=[p for p, _ in bids],
        bid_sizes=[s for _, s in bids],
        ask_prices=[p for p, _ in asks],
        ask_sizes=[s for _, s in asks],
        **other,
    )


def _session() -> list[MarketRecord]:
    snapshot = {"is_snapshot": True, "reason": "initial", "verified": "passed"}
    return [
        _book(1, 10, [(1000, 100), (999, 250_000_000)], [(1001, 7)], **snapshot),
        _book(2, 20, [(1000, 0), (998, 3)], [(1002, 9)], verified="passed"),
        Gap(
            exchange="kraken",
            symbol="BTC/USD",
            seq=3,
            local_ts=DAY + 30 * SECOND,
            reason="checksum",
            detail="expected 1, found 2",
        ),
        _book(4, HOUR_NS // SECOND + 40, [], [(1005, 1)], is_snapshot=True, reason="resync"),
        Trade(
            exchange="kraken",
            symbol="BTC/USD",
            seq=5,
            local_ts=DAY + HOUR_NS + 41 * SECOND,
            price=1,
            price_exponent=0,
            size=1,
            size_exponent=0,
        ),
    ]


def test_coverage_adds_up_what_landing_counted(stage: Any, client: Client) -> None:
    records = _session()
    _land(stage, records[:2])
    _land(stage, records[2:], start=2)

    hours = list(client.coverage("kraken", ["BTC/USD"], DAY, DAY + 24 * HOUR_NS))
    first = list(client.coverage("kraken", [], DAY, DAY + HOUR_NS))

    assert [(h.data_type, h.hour.ToNanoseconds() - DAY) for h in hours] == [
        ("book_delta", 0),
        ("book_delta", HOUR_NS),
        ("gap", 0),
        ("trade", HOUR_NS),
    ]
    book = hours[0]
    assert (book.rows, book.messages, book.first_seq, book.last_seq) == (6, 2, 1, 2)
    assert (book.gaps, book.checksums_passed, book.checksums_failed) == (1, 2, 1)
    assert first == [hours[0], hours[2]]


def test_the_manifest_tells_the_coverage(stage: Any, client: Client, tmp_path: Any) -> None:
    _land(stage, _session())
    operation = client.create_export([("kraken", "BTC/USD")], ["quotes"], DAY, DAY + 24 * HOUR_NS)
    export = client.wait(operation.name)
    client.download(export.name, tmp_path)

    document = next(iter(stage.objects("manifests/").values()))
    by_type = {day["data_type"]: day for day in document["coverage"]}
    assert (by_type["book_delta"]["rows"], by_type["book_delta"]["gaps"]) == (7, 1)
    assert by_type["book_delta"]["date"] == "2026-11-22"


def _sides(book: Any) -> tuple[list[tuple[Decimal, Decimal]], ...]:
    def value(number: Any) -> Decimal:
        return Decimal(number.mantissa).scaleb(number.exponent)

    return tuple([(value(x.price), value(x.size)) for x in side] for side in (book.bids, book.asks))


def test_a_book_is_as_it_stood(stage: Any, client: Client) -> None:
    records = _session()
    _land(stage, records[:1])
    _land(stage, records[1:], start=1)

    first = client.book("kraken", "BTC/USD", DAY + 19 * SECOND)
    second = client.book("kraken", "BTC/USD", DAY + 20 * SECOND, depth=1)
    last = client.book("kraken", "BTC/USD", DAY + 2 * HOUR_NS)

    assert _sides(first) == (
        [(Decimal("100.0"), Decimal("0.000001")), (Decimal("99.9"), Decimal("2.5"))],
        [(Decimal("100.1"), Decimal("0.00000007"))],
    )
    assert first.bids[1].size.mantissa == 25
    assert _sides(second) == (
        [(Decimal("99.9"), Decimal("2.5"))],
        [(Decimal("100.1"), Decimal("0.00000007"))],
    )
    assert (second.bid_levels, second.ask_levels, second.seq) == (2, 2, 2)
    assert _sides(last) == ([], [(Decimal("100.5"), Decimal("0.00000001"))])


def test_a_book_is_unknown_before_its_snapshot_and_in_a_gap(stage: Any, client: Client) -> None:
    _land(stage, _session())

    for seconds, told in ((9, "no snapshot"), (31, "checksum: expected 1, found 2")):
        with pytest.raises(ApiError, match=told) as caught:
            client.book("kraken", "BTC/USD", DAY + seconds * SECOND)
        assert caught.value.reason == "BOOK_UNKNOWN"


def test_each_service_says_that_it_is_well(stage: Any) -> None:
    with stage.serve() as address, grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        def well() -> bool:
            requests = [health_pb2.HealthCheckRequest(service=s) for s in ("", *SERVICES)]
            return all(stub.Check(r, timeout=5).status == r_well for r in requests)

        r_well = health_pb2.HealthCheckResponse.SERVING
        wait_until(well, "all are well", timeout_s=10)


def test_a_service_without_storage_says_so(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with stage.serve() as address, grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=SERVICES[0])
        asked = stub.Check(request, timeout=5).status
        wait_until(lambda: "object storage" in stage.api.health.fit()[1], "not ready", timeout_s=10)

    assert asked == health_pb2.HealthCheckResponse.NOT_SERVING


def test_reflection_tells_services_and_their_messages(stage: Any) -> None:
    with stage.serve() as address, grpc.insecure_channel(address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        requests = [reflection_pb2.ServerReflectionRequest(list_services="")] + [
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in SERVICES
        ]
        answers = list(stub.ServerReflectionInfo(iter(requests), timeout=10))

    listed = {s.name for s in answers[0].list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health"} <= listed
    assert all(a.file_descriptor_response.file_descriptor_proto for a in answers[1:])


def _key(secret: str, *scopes: str) -> dict[str, auth.Key]:
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    return {hashed: auth.Key(name=secret, sha256=hashed, scopes=scopes)}


def test_a_key_opens_what_its_scopes_say(stage: Any) -> None:
    keys = _key("reader", "catalog") | _key("owner", "catalog", "exports")
    with stage.serve(keys=keys) as address:
        with Client(address, key="owner") as owner:
            operation = owner.create_export(
                [("binance", "BTCUSDT")], ["trades"], DAY, DAY + HOUR_NS
            )
            export = owner.wait(operation.name)
        with Client(address, key="reader") as reader:
            assert list(reader.exchanges()) == ["binance"]
            # Said before anything of what there is, so that names do not leak
            for name in (export.name, "exports/0123456789abcdef01234567"):
                with pytest.raises(ApiError, match="SCOPE_MISSING"):
                    reader.get_export(name)
    assert stage.objects("exports/")[f"{export.name}.json"]["principal"] == "owner"


def test_health_and_reflection_need_no_key(stage: Any) -> None:
    with stage.serve(keys=_key("owner")) as address, grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5)


def test_calls_can_be_encrypted(stage: Any, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    subprocess.run(command, check=True, capture_output=True)

    with stage.serve(tls_key=key, tls_certificate=certificate) as address:
        with Client(f"https://{address}", ca=str(certificate)) as client:
            assert list(client.exchanges()) == ["binance"]
        with Client(address) as client, pytest.raises(ApiError, match="UNAVAILABLE"):
            list(client.exchanges())
