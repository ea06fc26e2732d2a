"""Coinbase Exchange over FIX 5.0 SP2: every order by its id, RptSeq counts each symbol's messages.

A snapshot may be split over several W. Acknowledgements of orders that have not matched yet and
messages of the trading status are numbered too and change no book. UNSURE: no number of a trade is
documented, RptSeq stands in for it; that a trade leaves the maker's order to a message of its own.
L2 and L1 feeds exist, how they are asked for is not documented.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence

from jetl2.exchanges import fix
from jetl2.exchanges.exchange import BookRows, Limits, Parsed
from jetl2.exchanges.fix import Fields, Fix, Login, Message
from jetl2.orderbook.rows import Row
from jetl2.orderbook.sequence import Rule
from jetl2.schemas.records import BookDelta


def logon(login: Login) -> Fields:
    """Return the Logon, signed over what identifies it."""
    parts = [login.sent, fix.LOGON, login.number, login.sender, login.target, login.passphrase]
    key = base64.b64decode(login.secret)
    digest = hmac.new(key, fix.SOH.join(parts).encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return [
        (98, 0),
        (108, FIX.heartbeat_s),
        (141, "Y"),
        (553, login.key),
        (554, login.passphrase),
        (95, len(signature)),
        (96, signature),
        (1137, 9),
    ]


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request for each symbol: the feed has its orders and its trades."""
    wanted = set(data_types) & set(FIX.data_types)
    return [_request(symbol, 1) for symbol in symbols] if wanted else []


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    return [_request(symbol, kind) for kind in (2, 1)]


def _request(symbol: str, kind: int) -> str:
    return fix.request("V", (262, symbol), (263, kind), (146, 1), (55, symbol))


def parse(message: Message) -> Iterable[Parsed]:
    """Return the rows of a snapshot or of one change, and a trade beside it."""
    head = message.head
    if message.kind == fix.SNAPSHOT:
        book = _numbered(head["55"], head["83"], head["52"], is_snapshot=True)
        rows = [_row(entry) for entry in message.entries if entry["269"] != fix.TRADE]
        return [BookRows(book=book, rows=rows, more=head.get("893") == "N")]
    if message.kind == fix.STATUS:
        return [_rows(head["55"], head["83"], head["52"])]
    if message.kind == fix.INCREMENT:
        return [record for entry in message.entries for record in _increment(entry, head)]
    fix.refuse_unknown(message)
    return ()


def _increment(entry: dict[str, str], head: dict[str, str]) -> Iterable[Parsed]:
    symbol, number = entry["55"], entry["83"]
    at = entry.get("60", head["52"])
    if entry["269"] == fix.TRADE:
        fields = {"symbol": symbol, "trade_id": f"rpt-{number}", "exchange_ts": fix.ns(at)}
        yield fix.trade(entry, "5797", **fields)
        yield _rows(symbol, number, at)
    elif "278" in entry:
        yield _rows(symbol, number, at, _row(entry))
    else:
        yield _rows(symbol, number, at)


def _numbered(symbol: str, number: str, at: str, *, is_snapshot: bool = False) -> BookDelta:
    last = int(number)
    fields = {"symbol": symbol, "exchange_ts": fix.ns(at), "first_seq": last, "last_seq": last}
    return BookDelta(is_snapshot=is_snapshot, **fields)  # type: ignore[arg-type]  # by their names


def _rows(symbol: str, number: str, at: str, *rows: Row) -> BookRows:
    # orders that never rested in the book end in it too
    return BookRows(book=_numbered(symbol, number, at), rows=rows, strict=False)


def _row(entry: dict[str, str]) -> Row:
    size = "0" if entry.get("279") == fix.DELETE else entry["271"]
    new = entry.get("279") == fix.NEW
    return Row(entry["278"], size, entry.get("270"), entry["269"] == fix.BID, new)


FIX = Fix(
    docs="docs.cdp.coinbase.com/exchange/fix-api/market-data, FIX 5.0 (read 2026-11-23)",
    url="fix+tls://fix-md.exchange.coinbase.com:6121",
    begin="FIXT.1.1",
    target="Coinbase",
    sender_is_key=True,
    needs=("key", "secret", "passphrase"),
    logon=logon,
    subscribe=subscribe,
    resubscribe=resubscribe,
    parse=parse,
    rule=Rule(first="next", follow="plus1", connection_counter=True),
    # one connection a key: all symbols share it
    limits=Limits(symbols=1000, connects_per_minute=10, sends_per_second=10),
)
