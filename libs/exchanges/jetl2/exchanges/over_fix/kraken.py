"""Kraken spot over FIX 4.4: snapshot W, no numbers, CRC-32 over the top ten in each X.

Numbers come as floats, without the zeros that the checksum is made over: the pair's precision comes
from the Security List, which is asked for before the book. That asks come first in the sum is as on
the websocket. UNSURE: whether the session's limits are those of the websocket.
"""

from collections.abc import Iterable, Sequence

from jetl2.exchanges import fix
from jetl2.exchanges.exchange import Book, Limits, Parsed
from jetl2.exchanges.fix import Fields, Fix, Login, Message
from jetl2.orderbook.sequence import Rule

# MarketDepth 0 is all of a thousand levels; what leaves them is deleted by the exchange
DEPTH = 1000


def logon(_: Login) -> Fields:
    """Return the Logon: who may log in is known by SenderCompID and address, there is no key."""
    return [(98, 0), (108, FIX.heartbeat_s), (141, "Y")]


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return for each symbol the request of its precision, then that of its market data."""
    entries = [*([fix.BID, fix.OFFER] if "book_delta" in data_types else [])]
    entries += [fix.TRADE] if "trade" in data_types else []
    return [text for symbol in symbols for text in _requests(symbol, entries)] if entries else []


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    # both were asked for by one request
    entries = [fix.BID, fix.OFFER, fix.TRADE]
    return [_subscription(symbol, entries, end=True), *_requests(symbol, entries)]


def _requests(symbol: str, entries: Sequence[str]) -> list[str]:
    precision = fix.request("x", (320, symbol), (559, 0), (55, symbol))
    return [precision, _subscription(symbol, entries)]


def _subscription(symbol: str, entries: Sequence[str], *, end: bool = False) -> str:
    options = ((264, 0), (265, 1), (266, "Y"))
    return fix.market_data(symbol, symbol, entries, *options, end=end)


def parse(message: Message) -> Iterable[Parsed]:
    """Return a snapshot, a delta and the trades beside it, or the precision of listed pairs."""
    head = message.head
    if message.kind == fix.SECURITIES:
        return [_precision(entry) for entry in message.entries]
    if message.kind not in (fix.SNAPSHOT, fix.INCREMENT):
        fix.refuse_unknown(message)
        return ()
    symbol, sent = head["55"], fix.ns(head["52"])
    if message.kind == fix.SNAPSHOT:
        whole = fix.book(message.entries, symbol=symbol, is_snapshot=True, exchange_ts=sent)
        return [Book(symbol=symbol, depth=DEPTH), whole]
    trades = [_trade(e, symbol, head["52"]) for e in message.entries if e["269"] == fix.TRADE]
    if len(trades) == len(message.entries):
        return trades
    # beside the entries, or after the last of them
    checksum = int(message.common("5041") or "")
    delta = fix.book(message.entries, symbol=symbol, exchange_ts=sent, checksum=checksum)
    return [*trades, delta]


def _trade(entry: dict[str, str], symbol: str, sent: str) -> Parsed:
    at = fix.ns_of_day(entry["273"], sent)
    return fix.trade(entry, "2446", symbol=symbol, trade_id=entry["278"], exchange_ts=at)


def _precision(entry: dict[str, str]) -> Parsed:
    places = {"price_exponent": -int(entry["2349"]), "size_exponent": -int(entry["5010"])}
    return Book(symbol=entry["55"], **places)


FIX = Fix(
    docs="docs.kraken.com unified FIX: logon, mdr, mdsfr, mdir, checksums (read 2026-11-23)",
    url="fix+tls://colo-london.vip-fix.kraken.com:4000",
    target="KRAKEN-MD",
    heartbeat_s=60,
    needs=("sender",),
    logon=logon,
    subscribe=subscribe,
    resubscribe=resubscribe,
    parse=parse,
    rule=Rule(connection_counter=True),
    limits=Limits(symbols=100, connects_per_minute=10, sends_per_second=2),
)
