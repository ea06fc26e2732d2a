"""How fast FIX messages are split and read, against the codec's parser in the same run.

`python -m bench.splitting` from this package's folder, its libraries on the path. The ratio counts:
both sides run by turns in one process, so a busy machine slows both. Times are CPU times.
"""

import time
from collections.abc import Callable

from simplefix import FixParser

from jetl2.exchanges import adapters, fix
from jetl2.exchanges.exchange import read

ROUNDS = 5
MESSAGES = 400


def message(kind: str, entries: int) -> bytes:
    """Return a W or X of an exchange with update numbers."""
    fields = ["262=book_delta-ABCUSDT", f"268={entries}"]
    if kind == fix.SNAPSHOT:
        fields[1:1] = ["55=ABCUSDT", "25044=100"]
    for n in range(entries):
        if kind == fix.INCREMENT:
            fields.append(f"279={n % 3 and 1}")
        fields += [f"269={n % 2}", f"270={60000 + n}.{n % 100:02}", f"271=0.{n + 1:05}"]
        if kind == fix.INCREMENT and not n:
            fields += ["55=ABCUSDT", "25043=101", "25044=120"]
    head = ["35=" + kind, "34=7", "49=SPOT", "52=20260101-00:00:00.123456", "56=JETL2"]
    body = "".join(f"{field}\x01" for field in [*head, *fields])
    text = f"8=FIX.4.4\x019={len(body):07}\x01{body}"
    return f"{text}10={sum(text.encode()) % 256:03}\x01".encode()


def main() -> None:
    """Print microseconds a message: split, read to records, and by the codec's parser."""
    exchange = next(e for e in adapters.load().values() if e.fix and e.snapshot)
    for kind, entries in ((fix.INCREMENT, 20), (fix.SNAPSHOT, 1000)):
        payload = message(kind, entries)
        count = MESSAGES if entries < 100 else MESSAGES // 20
        best = dict.fromkeys(("split", "read", "codec"), float("inf"))
        for _ in range(ROUNDS):
            for name, work in (
                ("split", lambda p=payload: fix.decode(p)),
                ("read", lambda p=payload: read(exchange, p)),
                ("codec", lambda p=payload: _parse(p)),
            ):
                best[name] = min(best[name], _time(work, count))
        ratio = best["codec"] / best["split"]
        print(  # noqa: T201 - what it is for
            f"{kind} of {entries} entries, {len(payload)} bytes: split {best['split']:.0f} us, "
            f"read {best['read']:.0f} us, codec {best['codec']:.0f} us: {ratio:.0f} times"
        )


def _parse(payload: bytes) -> object:
    parser = FixParser()
    parser.append_buffer(payload)
    return parser.get_message()


def _time(work: Callable[[], object], count: int) -> float:
    begun = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - begun) / count * 1e6


if __name__ == "__main__":
    main()
