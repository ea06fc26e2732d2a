"""The command as a process: help, exit codes, one-line errors, replay of hand-written sessions."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

COMMANDS = [
    [],
    ["export"],
    *(["export", name] for name in ("create", "run", "estimate", "list", "get", "wait")),
    *(["export", name] for name in ("download", "cancel", "delete")),
    ["catalog"],
    *(["catalog", name] for name in ("exchanges", "symbols", "types", "dates")),
    ["coverage"],
    ["book"],
    ["replay"],
    ["ingest"],
]


def jetl2(
    *words: str, api: str = "127.0.0.1:1", without: str = "-"
) -> subprocess.CompletedProcess[str]:
    path = ":".join(p for p in sys.path if p and not p.endswith(without))
    return subprocess.run(
        [sys.executable, "-m", "jetl2.client", *words],
        env={"PYTHONPATH": path, "JETL2_API": api, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_explains_itself_by_an_example(words: list[str]) -> None:
    answer = jetl2(*words, "--help")

    assert answer.returncode == 0
    assert "Example: jetl2 " in answer.stdout
    assert answer.stderr == ""


def test_what_the_ingestor_does_is_said_where_it_is_missing() -> None:
    answer = jetl2("ingest", "check", "kraken", without="services/ingestor")
    wrong = jetl2("ingest", "chekc")

    assert (answer.returncode, wrong.returncode) == (1, 2)
    assert answer.stderr == (
        "jetl2: the ingestor is not installed here: pip install jetl2-ingestor\n"
    )


def test_help_is_quick() -> None:
    fastest = 10.0
    for _ in range(5):
        begun = time.monotonic()
        jetl2("--help")
        fastest = min(fastest, time.monotonic() - begun)

    # 0.5 s on an idle machine
    assert fastest < 1.5
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; import jetl2.client.cli; print('\\n'.join(sys.modules))",
        ],
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"grpc", "httpx", "msgspec", "google.protobuf"} & set(loaded)


def test_the_version_is_told() -> None:
    assert jetl2("--version").stdout.startswith("jetl2 ")


@pytest.mark.parametrize(
    "words, told",
    [
        (["export", "create", "binance", "--from", "2026-11-22"], "expected EXCHANGE:SYMBOL"),
        (["export", "create", "binance:X", "--from", "soon"], "'soon' is not a time"),
        (["export", "create", "binance:X"], "--from"),
        (["export", "nonsense"], "nonsense"),
        (["replay"], "FILE"),
    ],
)
def test_wrong_usage_ends_with_code_2_and_says_what_is_wrong(words: list[str], told: str) -> None:
    answer = jetl2(*words)

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_api_that_is_away_is_one_line_with_its_address() -> None:
    answer = jetl2("catalog", "exchanges")

    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("jetl2: UNAVAILABLE: ")
    assert "127.0.0.1:1" in answer.stderr


# Frames by hand, to the documented form of Kraken's WebSocket v2: their sum is not checked here
def _session(path: Path, name: str, bid: str, url: str = "wss://ws.kraken.com/v2") -> Path:
    book = {
        "channel": "book",
        "type": "snapshot",
        "data": [
            {
                "symbol": "BTC/USD",
                "bids": [{"price": float(bid), "qty": 1.5}],
                "asks": [{"price": 101.5, "qty": 0.25}],
                "timestamp": "2026-11-22T10:00:00.000000Z",
            }
        ],
    }
    trade = {
        "channel": "trade",
        "type": "update",
        "data": [
            {
                "symbol": "BTC/USD",
                "side": "sell",
                "price": 100.0,
                "qty": 0.5,
                "ord_type": "market",
                "trade_id": 7,
                "timestamp": "2026-11-22T10:00:01.000000Z",
            }
        ],
    }
    lines: list[dict[str, Any]] = [
        {"t": "session", "name": name, "exchange": "kraken", "market": "spot", "api": "WS v2"},
        {"i": 0, "ts": "1795341600.0", "dir": "connect", "url": url},
        {"i": 1, "ts": "1795341600.1", "dir": "recv", "raw": json.dumps(book)},
        {"i": 2, "ts": "1795341601.1", "dir": "recv", "raw": json.dumps(trade)},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_replay_prints_an_object_a_session_and_writes_its_files(tmp_path: Path) -> None:
    session = _session(tmp_path / "a.jsonl", "first", "100.5")
    answer = jetl2("replay", str(session), "--out", str(tmp_path / "out"), "--json")

    assert (answer.returncode, answer.stderr) == (0, "")
    (line,) = answer.stdout.splitlines()
    summary = json.loads(line)
    assert (summary["session"], summary["exchange"], summary["messages"]) == ("first", "kraken", 2)
    assert summary["records"]["trade"] == 1
    assert summary["checksums"] == {"passed": 0, "failed": 0}
    assert "kraken_trades_2026-11-22_BTC-USD.csv.gz" in {
        p.name for p in (tmp_path / "out").iterdir()
    }


def test_replay_needs_no_folder_and_draws_a_table_without_json(tmp_path: Path) -> None:
    session = _session(tmp_path / "a.jsonl", "first", "100.5")
    answer = jetl2("replay", str(session))

    header, row = answer.stdout.splitlines()
    assert header.startswith("session\texchange\tmessages")
    assert row.startswith("first\tkraken\t2")


def test_a_session_that_nobody_speaks_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    retired = _session(tmp_path / "old.jsonl", "old", "1", "wss://ws.kraken.com/v0")
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(b"not gzip")
    session = _session(tmp_path / "a.jsonl", "first", "100.5")
    missing = tmp_path / "missing.jsonl"

    files = map(str, (retired, broken, missing, session))
    answer = jetl2("replay", *files, "--json", "--out", str(tmp_path / "out"))

    assert answer.returncode == 1
    assert [json.loads(line)["session"] for line in answer.stdout.splitlines()] == ["first"]
    lines = answer.stderr.splitlines()
    assert len(lines) == 4
    assert str(retired) in lines[0]
    assert "ws.kraken.com/v0" in lines[0]
    assert str(broken) in lines[1]
    assert str(missing) in lines[2]
    assert lines[3] == "3 of 4 sessions could not be replayed"


def test_sessions_of_one_day_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first = _session(tmp_path / "a.jsonl", "first", "100.5")
    second = _session(tmp_path / "b.jsonl", "second", "99.5")
    out = tmp_path / "out"

    jetl2("replay", str(first), str(second), "--out", str(out))

    name = "kraken_trades_2026-11-22_BTC-USD.csv.gz"
    assert (out / name).exists()
    assert (out / "second" / name).exists()
    assert not list(out.glob(".*"))
