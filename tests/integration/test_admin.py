"""`jetl2 admin` as its user starts it, on a real broker with a real merger's topics."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from jetl2.devstack import kafka as devstack_kafka
from jetl2.devstack.kafka import Broker
from jetl2.devstack.process import wait_until
from jetl2.merger.admin import redrive
from jetl2.schemas import avro, topics
from jetl2.schemas.records import DeadLetter, Gap, Trade
from jetl2.testkit.merging import GROUP, SYMBOLS, Traffic, merger, read, wait_merged

pytestmark = pytest.mark.integration


def admin(servers: str, *words: str) -> tuple[int, str, str]:
    """Run a command as `merger.pex admin` would; return exit code, output, log."""
    return _run("jetl2.merger", servers, *words)


def _run(module: str, servers: str, *words: str) -> tuple[int, str, str]:
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "JETL2_MERGER_BOOTSTRAP_SERVERS": servers,
    }
    done = subprocess.run(
        [sys.executable, "-m", module, "admin", *words],
        env=environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def told(servers: str, *words: str) -> dict[str, Any]:
    code, out, err = admin(servers, *words, "--json")
    assert out, err
    found: dict[str, Any] = json.loads(out)
    return found | {"code": code}


def test_a_cluster_is_looked_at_and_repaired(fresh_kafka: Broker, tmp_path: Path) -> None:
    """One test, since starting broker and merger takes longer than the commands."""
    servers = fresh_kafka.bootstrap_servers
    traffic = Traffic(servers)
    with merger(servers, tmp_path / "merger.log") as process:
        traffic.send(300)
        traffic.poison("BTC-USDT", b"no raw event")
        wait_merged(servers, traffic, processes=[process])
        traffic.send(300)
        at_work = told(servers, "task")
        assert (at_work["code"], len(at_work["tasks"])) == (0, 2)
        assert [task["next_start"] for task in at_work["tasks"]] == ["ok", "ok"]
        wait_merged(servers, traffic, processes=[process])
        _redrive(servers, traffic, tmp_path)
        wait_merged(servers, traffic, processes=[process])
        _came_once(servers)
        assert process.terminate() == 0
    _tasks(servers)
    _rebuild(servers, tmp_path)
    _hanging(servers)
    _refused(servers)


def _redrive(servers: str, traffic: Traffic, tmp_path: Path) -> None:
    """Put letters of every kind there, as a merger of yesterday would have; send what may go."""
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    now = time.time_ns()
    unread = [
        _letter("BTCUSDT", "trade", now, _trade("BTCUSDT", 900_001)),
        _letter("BTCUSDT", "trade", now + 1, _trade("BTCUSDT", 900_001)),
        _letter("ETHUSDT", "trade", now + 2, _trade("ETHUSDT", 900_002)),
        _letter("BTCUSDT", "trade", now + 3, b'{"stream":"btcusdt@trade","data":{}}'),
        _letter("BTCUSDT", "depth@100ms", now + 4, b"{}"),
        _letter("", "", now + 5, b"{}"),
    ]
    for letter in unread:
        producer.produce(
            topics.dead_letter("binance"),
            avro.encode(letter),
            letter.symbol.encode(),
            topics.partition(letter.symbol, traffic.partitions),
        )
    assert producer.flush(10) == 0
    shown = told(servers, "redrive", "binance", "--out", str(tmp_path / "letters.jsonl"))
    assert (shown["code"], shown["letters"], shown["may_be_redriven"]) == (0, 6, 2), shown
    assert shown["redriven"] == 0
    lines = [json.loads(line) for line in (tmp_path / "letters.jsonl").read_text().splitlines()]
    assert [line["local_ts"] for line in lines] == [letter.local_ts for letter in unread]

    sent = told(servers, "redrive", "binance", "--apply")
    again = told(servers, "redrive", "binance", "--apply")

    assert (sent["code"], sent["redriven"]) == (0, 2), sent
    assert (again["code"], again["redriven"], again["may_be_redriven"]) == (0, 0, 0)
    redriven = []
    for message in read(servers, [topics.raw("binance")]):
        if message.headers():
            redriven.append(message)
            traffic.expected[
                str(message.topic()), message.partition() or 0, message.offset() or 0
            ] = 0
    assert len(redriven) == 2
    assert all(m.headers()[0][0] == redrive.HEADER for m in redriven)  # type: ignore[index]
    # Landing wants a record at each offset of a raw topic: no transaction's marker may lie there
    offsets: dict[int, int] = {}
    for message in read(servers, [topics.raw("binance")]):
        number = message.partition() or 0
        assert message.offset() == offsets.get(number, 0)
        offsets[number] = offsets.get(number, 0) + 1


def _came_once(servers: str) -> None:
    records = [avro.decode(m.value() or b"") for m in read(servers, [topics.market("binance")])]
    trades = [r.trade_id for r in records if isinstance(r, Trade) and int(r.trade_id) > 900_000]
    assert sorted(trades) == ["900001", "900002"]
    assert not [r for r in records if isinstance(r, Gap)]


def _tasks(servers: str) -> None:
    found = told(servers, "task")
    symbols = [s for task in found["tasks"] for s in task["symbols"]]
    books = {s["symbol"]: s for s in symbols if s["exchange"] == "okex"}
    assert sorted(books) == sorted(SYMBOLS)
    assert books["ETH-USDT"]["status"] == "synced"
    assert books["BTC-USDT"]["status"] == "gap"  # by what could not be read
    last: dict[tuple[str, str], int] = {}
    for message in read(servers, [topics.market("okex"), topics.market("binance")]):
        record = avro.decode(message.value() or b"")
        last[record.exchange, record.symbol] = record.seq
    assert {(s["exchange"], s["symbol"]): s["seq"] for s in symbols} == last
    for task in found["tasks"]:
        assert not task["at_work"]
        # Stopped in order: all is in the states
        assert task["replays"] == 0
        assert [t["lag"] for t in task["topics"]] == [0, 0]
        assert [t["committed"] for t in task["topics"]] == [t["high"] for t in task["topics"]]
    code, out, _ = admin(servers, "task", "1", "--symbols")
    assert code == 0
    assert "next start  ok" in out
    assert admin(servers, "task", "7")[0] == 2


def _rebuild(servers: str, tmp_path: Path) -> None:
    out = tmp_path / "rebuilt"
    found = told(servers, "rebuild", "okex", "ETH-USDT", "--out", str(out))
    records = [avro.decode(m.value() or b"") for m in read(servers, [topics.market("okex")])]
    merged = [r for r in records if r.symbol == "ETH-USDT"]
    assert found["code"] == 0
    assert sum(found["records"].values()) == len(merged)
    assert (found["status"], found["gaps"]) == ("synced", 0)
    assert sorted(found["files"]) == sorted(path.name for path in out.iterdir())
    torn = told(servers, "rebuild", "okex", "BTC-USDT", "--out", str(out))
    counts = Counter(type(r).__name__ for r in records if r.symbol == "BTC-USDT")
    assert (torn["records"], torn["status"], torn["unread"]) == (counts, "gap", 1)
    code, _, err = admin(servers, "rebuild", "okex", "NO-SUCH", "--out", str(out))
    assert (code, "holds nothing of 'NO-SUCH'" in err) == (1, True)


def _hanging(servers: str) -> None:
    quiet = told(servers, "transactions")
    assert (quiet["code"], quiet["transactions"]) == (0, [])
    producer = Producer(
        {"bootstrap.servers": servers, "transactional.id": "forgotten", "log_level": 0}
    )
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topics.market("okex"), b"x", b"k", 1)
    assert producer.flush(10) == 0
    time.sleep(1)
    open_ = told(servers, "transactions", "--older-than", "60")
    hanging = told(servers, "transactions", topics.market("okex"), "--older-than", "0.5")
    producer.abort_transaction(10)
    assert (open_["code"], len(open_["transactions"]), open_["hanging"]) == (0, 1, 0)
    (row,) = hanging["transactions"]
    assert (hanging["code"], row["topic"], row["partition"]) == (1, topics.market("okex"), 1)
    assert row["owner"] == f"{GROUP}.task-1"
    assert f"abort --topic market.okex --partition 1 --start-offset {row['first_offset']}" in str(
        row["commands"]
    )
    assert told(servers, "transactions", "--older-than", "0")["transactions"] == []


def _refused(servers: str) -> None:
    """What a merger would refuse is told before: an offset that somebody moved."""
    devstack_kafka.create_topics(servers, {"dead.kraken": 2})
    code, _, err = admin(servers, "redrive", "kraken")
    assert (code, "there is no topic raw.kraken" in err) == (1, True)
    client = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    moved = ConsumerGroupTopicPartitions(GROUP, [TopicPartition(topics.raw("okex"), 1, 3)])

    def altered() -> bool:
        """Return whether the group took it: not while its member is remembered."""
        (answer,) = client.alter_consumer_group_offsets([moved]).values()
        return answer.exception() is None and not answer.result().topic_partitions[0].error

    wait_until(altered, "the group is empty", timeout_s=20)
    found = told(servers, "task")
    assert found["code"] == 1
    assert [task["refused"] for task in found["tasks"]] == [False, True]
    assert "the group has committed 3" in found["tasks"][1]["next_start"]
    code, _, err = _run("jetl2.client", "127.0.0.1:1", "transactions")
    assert (code, "no broker answers" in err) == (1, True)


def _letter(symbol: str, channel: str, local_ts: int, payload: bytes) -> DeadLetter:
    return DeadLetter(
        exchange="binance",
        symbol=symbol,
        channel=channel,
        local_ts=local_ts,
        connection_id="c1",
        counter=5,
        payload=payload,
        error="a mistake of yesterday",
        source_topic=topics.raw("binance"),
    )


def _trade(symbol: str, number: int) -> bytes:
    data = {"e": "trade", "E": 1, "s": symbol, "t": number, "p": "1.5", "q": "2", "T": 1, "m": True}
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data | {"M": True}}).encode()
