"""Binance spot over FIX 4.4: W is the snapshot, X ranges of the same numbers go on from it.

UNSURE: the document says of FIX neither that its numbers are those of the websocket's depth stream
nor how they follow each other; the rule here is that stream's. So a book stays on its connection.
Best prices (MarketDepth 1) are left out: whether an update repeats the side that did not change is
not said.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from jetl2.exchanges import fix, signing
from jetl2.exchanges.exchange import Limits, Parsed
from jetl2.exchanges.fix import Fields, Fix, Login, Message
from jetl2.orderbook.sequence import Rule

DEPTH = 5000
# UNORDERED: answers need not come in the order of the requests
HANDLING = 1


def logon(login: Login) -> Fields:
    """Return the Logon, signed over what identifies it."""
    signed = fix.SOH.join([fix.LOGON, login.sender, login.target, login.number, login.sent])
    signature = signing.ed25519(login.secret, signed.encode())
    return [
        (95, len(signature)),
        (96, signature),
        (98, 0),
        (108, FIX.heartbeat_s),
        (141, "Y"),
        (553, login.key),
        (25035, HANDLING),
    ]


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request for each symbol and stream, so that a stream's id names both."""
    return [_request(t, symbol) for symbol in symbols for t in data_types if t in FIX.data_types]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    name = f"book_delta-{symbol}"
    end = fix.request("V", (262, name), (263, 2), (264, DEPTH))
    return [end, _request("book_delta", symbol)]


def _request(data_type: str, symbol: str) -> str:
    entries = [fix.TRADE] if data_type == "trade" else [fix.BID, fix.OFFER]
    depth = 1 if data_type == "trade" else DEPTH
    options = ((264, depth), (266, "Y"))
    return fix.market_data(f"{data_type}-{symbol}", symbol, entries, *options)


def parse(message: Message) -> Iterable[Parsed]:
    """Return a snapshot, or the trades and the delta of each symbol and range of numbers."""
    if message.kind == fix.SNAPSHOT:
        number = int(message.head["25044"])
        fields = {"symbol": message.head["55"], "exchange_ts": fix.ns(message.head["52"])}
        return [
            fix.book(message.entries, is_snapshot=True, first_seq=number, last_seq=number, **fields)
        ]
    if message.kind == fix.INCREMENT:
        return list(_increments(message))
    fix.refuse_unknown(message)
    return ()


def _increments(message: Message) -> Iterable[Parsed]:
    deltas: dict[tuple[str, int, int], list[dict[str, str]]] = {}
    known: dict[str, str] = {}
    for entry in message.entries:
        # what an entry leaves out is as in the entry before it
        known.update({tag: entry[tag] for tag in ("55", "25043", "25044") if tag in entry})
        if entry["269"] == fix.TRADE:
            yield _trade(entry, known["55"])
        else:
            key = (known["55"], int(known["25043"]), int(known["25044"]))
            deltas.setdefault(key, []).append(entry)
    sent = fix.ns(message.head["52"])
    for (symbol, first, last), entries in deltas.items():
        fields: dict[str, Any] = {"symbol": symbol, "first_seq": first, "last_seq": last}
        yield fix.book(entries, exchange_ts=sent, **fields)


def _trade(entry: dict[str, str], symbol: str) -> Parsed:
    fields = {"symbol": symbol, "trade_id": entry["1003"], "exchange_ts": fix.ns(entry["60"])}
    return fix.trade(entry, "2446", **fields)


FIX = Fix(
    docs="binance-spot-api-docs/fix-api.md (2026-07-21, read 2026-11-23)",
    url="fix+tls://fix-md.binance.com:9000",
    target="SPOT",
    needs=("sender", "key", "secret"),
    logon=logon,
    subscribe=subscribe,
    resubscribe=resubscribe,
    parse=parse,
    rule=Rule(first="next", follow="range", connection_counter=True),
    # 2000 messages a minute, 300 attempts in five, 1000 streams on a connection
    limits=Limits(symbols=200, connects_per_minute=30, sends_per_second=20),
)
