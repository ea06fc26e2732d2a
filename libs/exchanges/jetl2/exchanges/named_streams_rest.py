"""What the same sites tell by REST: snapshots of books, instruments, volumes."""

from collections.abc import Iterable

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Frame, Instrument, RestSnapshot
from jetl2.schemas.records import BookDelta

# What volumes are told in
DOLLAR = "USDT"


def snapshot(url: str, *, weight: int, weight_per_minute: int) -> RestSnapshot:
    """Return how a snapshot of 1000 levels a side is fetched from an address."""

    def of(symbol: str) -> str:
        return f"{url}?symbol={symbol}&limit=1000"

    return RestSnapshot(
        url=of, parse=parse_snapshot, weight=weight, weight_per_minute=weight_per_minute
    )


def parse_snapshot(symbol: str, body: Frame) -> BookDelta:
    """Return the snapshot; lastUpdateId is -1 while an instrument has had no update yet."""
    if not isinstance(body, dict) or "lastUpdateId" not in body:
        message = f"{symbol}: expected a depth snapshot with lastUpdateId, found {body!r:.200}"
        raise UnexpectedFrame(message)
    number = body["lastUpdateId"]
    fields = {"symbol": symbol, "is_snapshot": True, "first_seq": number, "last_seq": number}
    if "T" in body:
        fields["exchange_ts"] = wire.ns_from_epoch(body["T"])
    return wire.book(body["bids"], body["asks"], **fields)


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed; the increments stand in the filters of their type."""
    for item in body["symbols"]:
        filters = {f["filterType"]: f for f in item["filters"]}
        contract = item.get("contractType")
        perpetual = "perpetual" if contract and contract.endswith("PERPETUAL") else "future"
        yield Instrument(
            symbol=item["symbol"],
            base=item["baseAsset"],
            quote=item["quoteAsset"],
            kind="spot" if contract is None else perpetual,
            active=item.get("status", item.get("contractStatus")) == "TRADING",
            price_increment=filters.get("PRICE_FILTER", {}).get("tickSize", ""),
            size_increment=filters.get("LOT_SIZE", {}).get("stepSize", ""),
            contract_size=str(item.get("contractSize", "")),
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return what was traded in dollars; the quote is the longest ending that has a price in them.

    Symbols have no separator, and quotes from dollars to rupiah lie four digits apart.
    """
    worth = {DOLLAR: 1.0}
    for item in body:
        symbol, price = item["symbol"], float(item["lastPrice"])
        if price and symbol.endswith(DOLLAR):
            worth[symbol.removesuffix(DOLLAR)] = price
        elif price and symbol.startswith(DOLLAR):
            worth[symbol.removeprefix(DOLLAR)] = 1 / price
    for item in body:
        pair = item["symbol"].partition("_")[0]
        quote = next((pair[i:] for i in range(1, len(pair)) if pair[i:] in worth), None)
        if quote:
            yield item["symbol"], float(item["quoteVolume"]) * worth[quote]
