"""A session is played verbatim and in order, and its REST bodies are served at any time."""

import asyncio
import gzip
import json
from pathlib import Path

import httpx
from websockets.asyncio.client import connect

from jetl2.devstack import dialects
from jetl2.devstack.player import Player, load, playing

# Written by us to the documented form
EVENTS = [
    {"t": "session", "exchange": "x", "name": "own"},
    {"i": 0, "ts": "100.0", "dir": "connect", "url": "wss://stream.example/stream"},
    {"i": 1, "ts": "100.1", "dir": "sent", "kind": "request", "raw": "{}"},
    {"i": 2, "ts": "100.2", "dir": "recv", "kind": "l2_delta", "symbol": "AB", "raw": '{"a": 1}'},
    {
        "i": 3,
        "ts": "100.3",
        "dir": "http",
        "kind": "rest_snapshot",
        "url": "https://api.example/api/v3/depth?symbol=AB&limit=5",
        "raw": '{"lastUpdateId": 7}',
    },
    {"i": 4, "ts": "100.9", "dir": "recv", "kind": "ack", "raw": "aGk=", "encoding": "base64"},
]


def test_frames_come_verbatim_in_order_and_rest_bodies_by_symbol(tmp_path: Path) -> None:
    player = Player(dialects.load()["binance"], load(_session(tmp_path)), duration_s=0.1)

    async def listen() -> tuple[list[str | bytes], bytes, int]:
        async with playing(player), connect(player.endpoints["ws"]) as socket:
            rest = player.endpoints["rest"]
            async with httpx.AsyncClient(base_url=rest, trust_env=False) as client:
                body = await client.get("/api/v3/depth?symbol=AB&limit=1000")
                missing = await client.get("/api/v3/depth?symbol=CD")
            await socket.send("{}")
            return [await socket.recv() for _ in range(2)], body.content, missing.status_code

    frames, body, missing = asyncio.run(listen())

    assert frames == ['{"a": 1}', b"hi"]
    assert body == b'{"lastUpdateId": 7}'
    assert missing == 404
    assert player.finished()
    assert player.symbols == ["AB"]


def _session(folder: Path) -> Path:
    path = folder / "session-own.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(event) + "\n" for event in EVENTS)
    return path
