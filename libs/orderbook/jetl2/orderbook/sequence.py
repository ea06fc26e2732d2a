"""Does this delta follow? The families of numbering as data, and the one function that judges."""

from dataclasses import dataclass
from typing import Literal

from jetl2.schemas.records import BookDelta

Verdict = Literal["apply", "drop", "gap"]
APPLY: Verdict = "apply"  # it follows
DROP: Verdict = "drop"  # its content is in the book already
GAP: Verdict = "gap"  # something is missing before it
Proof = Literal["sequence", "connection sequence", "whole books", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the deltas of an exchange's books are numbered and joined to a snapshot.

    Args:
        snapshot: Where the book comes from: "channel" (in the stream), "rest" (deltas are buffered
            meanwhile), "request" (the same, but asked for and answered in the stream), "every"
            (each message is a whole book).
        first: What the first delta after a snapshot numbered L must meet. "next": first <= L+1 <=
            last. "at": first <= L <= last, or prev == L. "prev": prev == L. "spans": prev <= L <
            last. "covered": one before it is in the snapshot, where any waited. "any".
        follow: What each later one must meet, L being the last one's number. "plus1": first == L+1.
            "range": first <= L+1 (an overlap is harmless, sizes are absolute). "prev": prev == L.
            "overlap": first <= L < last. "rising": last > L. "none": nothing.
        drop_at: A delta that ends at L exactly is already in the snapshot (Binance spot; not so
            on its futures).
        allow_id_decrease: A linked delta may lead to a smaller number.
        scope: Whose numbers: "symbol" (the same on each connection, so that deltas of any
            connection may go on) or "connection" (a book lives on the connection of its snapshot).
        connection_counter: All frames of a connection are counted through by the exchange.
        crossed: What a crossed book means: "flag" it, or take it as a "gap" (exchanges without
            any proof).
    """

    snapshot: Literal["channel", "rest", "request", "every"] = "channel"
    first: Literal["next", "at", "prev", "spans", "covered", "any"] = "any"
    follow: Literal["plus1", "range", "prev", "overlap", "rising", "none"] = "none"
    drop_at: bool = True
    allow_id_decrease: bool = False
    scope: Literal["symbol", "connection"] = "connection"
    connection_counter: bool = False
    crossed: Literal["flag", "gap"] = "flag"

    @property
    def proof(self) -> Proof:
        """By what a missing delta is noticed, or why it does no harm; a checksum may do so too."""
        if self.snapshot == "every":
            return "whole books"
        if self.connection_counter:
            return "connection sequence"
        # A number that only rises leaves room for what was lost
        return "sequence" if self.follows else "none"

    @property
    def follows(self) -> bool:
        """Whether deltas have numbers of their own that must follow each other."""
        return self.follow not in ("none", "rising")

    @property
    def proven(self) -> bool:
        """Whether the numbering alone shows that nothing is missing."""
        return self.proof != "none"


# The families of the field; an exchange names one, or one with a parameter replaced
REST_RANGE = Rule(snapshot="rest", first="next", follow="range", scope="symbol")
REST_PREV = Rule(snapshot="rest", first="at", follow="prev", drop_at=False, scope="symbol")
REQ_PREV = Rule(snapshot="request", first="prev", follow="prev", scope="symbol")
CHAN_PREV = Rule(first="prev", follow="prev")
CHAN_PLUS1 = Rule(first="next", follow="plus1")
CHAN_OVERLAP = Rule(first="any", follow="overlap")
CONN_COUNTER = Rule(connection_counter=True)
CHECKSUM_ONLY = Rule()
KEYED_ROWS = Rule(crossed="gap")
UNPROVEN = Rule(crossed="gap")
FULL_REPLACE = Rule(snapshot="every")


@dataclass(slots=True)
class State:
    """Where the numbering of one book stands.

    Args:
        last: Number of the last message in the book; 0 when nothing is numbered, negative when the
            exchange said that the book had no number yet (any delta may follow).
        prev: The `prev_seq` of that message, to know an exact repetition.
        joined: A delta has followed the snapshot.
    """

    last: int = 0
    prev: int = 0
    joined: bool = False

    def replace(self, record: BookDelta) -> None:
        """Start from a snapshot."""
        self.last, self.prev, self.joined = record.last_seq, record.prev_seq, False

    def advance(self, record: BookDelta) -> None:
        """Go on to an applied delta."""
        self.last, self.prev, self.joined = record.last_seq, record.prev_seq, True


def check(rule: Rule, state: State, record: BookDelta) -> Verdict:
    """Judge one delta against the last number of its book."""
    how = rule.follow
    if how == "none":
        return APPLY
    last, first_seq, last_seq = state.last, record.first_seq, record.last_seq
    if not last_seq and not first_seq:
        # a protocol from before its exchange numbered anything, else a number is missing
        return APPLY if last == 0 else GAP
    if last < 0 and not state.joined:
        return APPLY
    if not state.joined:
        return _first(rule, last, record)
    if how == "prev":
        return _linked(rule, state, record)
    if last_seq <= last:
        return DROP
    if how == "range":
        return APPLY if first_seq <= last + 1 else GAP
    if how == "plus1":
        return APPLY if first_seq == last + 1 else GAP
    if how == "overlap":
        return APPLY if first_seq <= last else GAP
    return APPLY


def _first(rule: Rule, last: int, record: BookDelta) -> Verdict:
    how = rule.first
    if how == "prev":
        if record.prev_seq == last:
            return APPLY
        return DROP if record.last_seq <= last and not rule.allow_id_decrease else GAP
    if record.last_seq < last or (rule.drop_at and record.last_seq == last):
        return DROP
    if how == "next":
        return APPLY if record.first_seq <= last + 1 else GAP
    if how == "at":
        return APPLY if record.first_seq <= last or record.prev_seq == last else GAP
    if how == "spans":
        return APPLY if record.prev_seq <= last else GAP
    return APPLY


def _linked(rule: Rule, state: State, record: BookDelta) -> Verdict:
    if record.prev_seq == state.last:
        return APPLY
    if rule.allow_id_decrease:
        # smaller numbers are no proof of age here: only the very last message is known again
        same = record.prev_seq == state.prev and record.last_seq == state.last
        return DROP if same else GAP
    return DROP if record.last_seq <= state.last else GAP
