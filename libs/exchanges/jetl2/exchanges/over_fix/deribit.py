"""Deribit over FIX 4.4: snapshot W, then X without numbers of their own.

MsgSeqNum alone tells that nothing is missing. UNSURE: sizes may be counted in contracts of
ContractMultiplier (231) each, which only W names; they are kept as sent. Where a trade also says
that it was a liquidation it is one trade here, as on the websocket's trades channel.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from jetl2.exchanges import fix
from jetl2.exchanges.exchange import Limits, Parsed
from jetl2.exchanges.fix import Fields, Fix, Login, Message
from jetl2.orderbook.sequence import Rule


def logon(login: Login) -> Fields:
    """Return the Logon: a time that rises, a nonce, and their hash with the secret as password."""
    raw = f"{login.ms}.{base64.b64encode(login.nonce).decode()}"
    password = base64.b64encode(hashlib.sha256((raw + login.secret).encode()).digest()).decode()
    return [
        (98, 0),
        (108, FIX.heartbeat_s),
        (141, "Y"),
        (95, len(raw)),
        (96, raw),
        (553, login.key),
        (554, password),
    ]


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request for each symbol: its book, its trades, or both."""
    entries = [*([fix.BID, fix.OFFER] if "book_delta" in data_types else [])]
    entries += [fix.TRADE] if "trade" in data_types else []
    return [_request(symbol, entries) for symbol in symbols] if entries else []


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    # both were asked for by one request
    entries = [fix.BID, fix.OFFER, fix.TRADE]
    return [_request(symbol, entries, end=True), _request(symbol, entries)]


def _request(symbol: str, entries: Sequence[str], *, end: bool = False) -> str:
    return fix.market_data(symbol, symbol, entries, (264, 0), (265, 1), end=end)


def parse(message: Message) -> Iterable[Parsed]:
    """Return a snapshot, or the delta and the trades of a message."""
    if message.kind not in (fix.SNAPSHOT, fix.INCREMENT):
        fix.refuse_unknown(message)
        return ()
    symbol = message.head["55"]
    sent = fix.ns(message.head["52"])
    if message.kind == fix.SNAPSHOT:
        # its trades were before we listened
        return [fix.book(message.entries, symbol=symbol, is_snapshot=True, exchange_ts=sent)]
    trades = [_trade(e, symbol) for e in message.entries if e["269"] == fix.TRADE]
    if len(trades) == len(message.entries):
        return trades
    return [*trades, fix.book(message.entries, symbol=symbol, exchange_ts=sent)]


def _trade(entry: dict[str, str], symbol: str) -> Parsed:
    fields = {"symbol": symbol, "trade_id": entry["100009"], "exchange_ts": fix.ns(entry["272"])}
    return fix.trade(entry, "54", **fields)


FIX = Fix(
    docs="docs.deribit.com/fix-api/production (read 2026-11-23)",
    url="fix+tls://fix.deribit.com:9883",
    target="DERIBITSERVER",
    needs=("sender", "key", "secret"),
    logon=logon,
    subscribe=subscribe,
    resubscribe=resubscribe,
    parse=parse,
    rule=Rule(connection_counter=True),
    limits=Limits(symbols=100, connects_per_minute=10, sends_per_second=3),
)
