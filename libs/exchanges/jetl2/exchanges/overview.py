"""What the declarations say of the exchanges, for people: rows, and the page docs/exchanges.md."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from jetl2.exchanges.exchange import Exchange

_BOOKS = {
    "channel": "snapshot in the stream",
    "rest": "snapshot by REST",
    "request": "snapshot on request",
    "every": "each message whole",
}
_COLUMNS = (
    "exchange",
    "data type: channel",
    "book",
    "proof of continuity",
    "checksum",
    "heartbeat",
    "limits of a connection",
    "API",
)
_INTRODUCTION = """\
<!-- Made of the declarations in libs/exchanges by `make docs`; not to be edited. -->
# Exchanges

What each module declares, and what a record of it can be trusted for.

- **Book:** where it comes from, and how many levels a side it holds at most.
- **Proof of continuity:** by what a missing message is noticed. `sequence`: numbers of each book;
  `connection sequence`: a counter over all frames; `checksum`: a sum over the top, as deep as it
  says; `whole books`: each message is complete, so a missing one does no lasting harm. `none`: the
  exchange offers nothing; such records say `unproven`, and a crossed book is taken for a gap.
- **Over FIX**, where the exchange offers market data so, numbers of all messages prove it.
- **Heartbeat:** what we send, and after which silence a connection counts as dead.
- **Limits** as we keep to them, for each connection; connects are those of one address.

"""


def proof(exchange: Exchange) -> list[str]:
    """Return by what a loss in a book of this exchange is noticed, the strongest first; or none."""
    found: list[str] = [exchange.rule.proof] if exchange.rule.proven else []
    if exchange.checksum is not None:
        found.append("checksum")
    return found or ["none"]


def row(exchange: Exchange) -> dict[str, Any]:
    """Return what an exchange is, as JSON would say it; depth 0 is all levels."""
    alive, limits = exchange.keepalive, exchange.limits
    return {
        "exchange": exchange.name,
        "aliases": list(exchange.aliases),
        "markets": list(exchange.markets),
        "channels": dict(exchange.channels),
        "snapshot": exchange.rule.snapshot,
        "depth": exchange.book_depth or max(exchange.depths, default=0),
        "proof": proof(exchange),
        "checksum_depth": exchange.checksum_depth if exchange.checksum else None,
        "heartbeat": {
            "sends": alive.message,
            "interval_s": alive.interval_s,
            "answers": alive.answer is not None,
            "stale_s": alive.stale_s,
        },
        "limits": {
            "symbols": limits.symbols,
            "sends_per_second": limits.sends_per_second,
            "connects_per_minute": limits.connects_per_minute,
            "lifetime_s": limits.lifetime_s,
        },
        "volumes": exchange.instruments.volumes is not None,
        "api": exchange.docs,
        "fix": None
        if exchange.fix is None
        else {"data_types": list(exchange.fix.data_types), "api": exchange.fix.docs},
        "since": exchange.since,
        "until": exchange.until,
    }


def cells(exchange: Exchange) -> tuple[str, ...]:
    """Return the same for a table, in the order of `columns`."""
    found = row(exchange)
    alive, limits = found["heartbeat"], found["limits"]
    beats = [f"{alive['sends']} each {alive['interval_s']:g} s"] if alive["sends"] else []
    beats += ["answers pings"] if alive["answers"] else []
    depth = f"{found['depth']} levels" if found["depth"] else "all levels"
    bounds = [
        f"{limits['symbols']} symbols",
        f"{limits['sends_per_second']:g} requests/s",
        f"{limits['connects_per_minute']} connects/min",
    ]
    if limits["lifetime_s"]:
        hours = limits["lifetime_s"] / 3600
        bounds.append(
            f"renewed within {hours / 24:g} d" if hours > 48 else f"renewed within {hours:g} h"
        )
    return (
        exchange.name,
        ", ".join(f"{t}: {c}" for t, c in found["channels"].items()),
        f"{_BOOKS[exchange.rule.snapshot]}, {depth}",
        ", ".join(found["proof"]),
        _sum(exchange),
        ", ".join([*beats, f"dead after {alive['stale_s']:g} s"]),
        ", ".join(bounds),
        exchange.docs + (f"; over FIX: {exchange.fix.docs}" if exchange.fix else ""),
    )


def columns() -> Sequence[str]:
    """Return the names of the table's columns."""
    return _COLUMNS


def page(exchanges: Iterable[Exchange]) -> str:
    """Return the page of all exchanges in Markdown."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    for exchange in exchanges:
        name, channels, *others, docs = cells(exchange)
        listed = ", ".join(f"{t}: `{_plain(c)}`" for t, c in exchange.channels.items())
        beat = exchange.keepalive.message
        others = [_plain(o) for o in others]
        if beat:
            others[3] = others[3].replace(_plain(beat), f"`{_plain(beat)}`", 1)
        lines.append(_line([f"**{name}**", listed if channels else "", *others, _linked(docs)]))
    return _INTRODUCTION + "\n".join(lines) + "\n"


def _sum(exchange: Exchange) -> str:
    if exchange.checksum is None:
        return ""
    depth = exchange.checksum_depth
    return f"over the top {depth}" if depth else "over the whole book"


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _plain(text: str) -> str:
    # a cell ends at a bar, whatever quotes it
    return " ".join(text.replace("|", "\\|").split())


def _linked(docs: str) -> str:
    """Return a reference with its addresses as links."""
    return re.sub(r"https?://[^\s,;()]+", lambda found: f"[documents]({found[0]})", _plain(docs))
