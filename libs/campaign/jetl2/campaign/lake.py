"""The judge of the lake: every object in it, read by pyarrow, against what was committed.

It knows the truth and the layout that readers are promised, and nothing of the product's code.
"""

import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow.parquet as pq

from jetl2.campaign.oracle import Verdict
from jetl2.campaign.writer import Written

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Place = tuple[str, int]  # topic, partition
Offsets = tuple[int, int]  # from, up to
Row = tuple[Any, ...]  # names of the columns, then the values, in that order

_TYPES = {
    "BookDelta": "book_delta",
    "Trade": "trade",
    "BookTicker": "book_ticker",
    "DerivativeTicker": "derivative_ticker",
    "Liquidation": "liquidation",
    "Gap": "gap",
    "RawEvent": "raw",
}
# Columns that hold what the record says, as it says it
_NUMBERS = ("seq", "exchange_ts", "local_ts", "merge_ts", "first_seq", "last_seq", "prev_seq")
_LINEAGE = ("source_partition", "source_offset", "source_index")
_AS_IT_IS = {
    "BookDelta": ("is_snapshot", "reason", "verified", "crossed"),
    "Trade": ("trade_id", "aggressor"),
    "BookTicker": (),
    "DerivativeTicker": ("funding_ts",),
    "Liquidation": ("trade_id", "aggressor"),
    "Gap": ("reason", "detail", "from_ts"),
    "RawEvent": ("local_ts", "connection_id", "counter", "kind", "channel", "payload"),
}
_TEXTS = ["funding_rate", "predicted_funding_rate", "open_interest"]
_TEXTS += ["last_price", "index_price", "mark_price"]
_HOUR_NS = 3_600_000_000_000
_OBJECT = re.compile(
    r"(?P<topic>.+)-(?P<partition>\d{4})-(?P<compact>compact-)?"
    r"(?P<start>\d{12})-(?P<end>\d{12})\.parquet"
)
# In the footer of a compacted object: what it was made of, each with rows, size and sha256
_MADE_OF = b"jetl2.compacted_from"
_MANIFEST = re.compile(r"_manifest/(.+)/(\d{4})/(\d{12})-(\d{12})\.json")
_COVERAGE = "data_type=coverage/"


class Lake:
    """A bucket that only grows: what was seen in it once stays, with the same bytes.

    But for objects of a closed day, which may go into a compacted one that says so.
    """

    def __init__(self, client: "S3Client", bucket: str) -> None:
        """Begin with nothing seen.

        Args:
            client: Of the server itself: the judge is never lied to.
            bucket: Where it lies, from the root on.
        """
        self._client = client
        self._bucket = bucket
        self._seen: dict[str, str] = {}

    def look(self, verdict: Verdict) -> dict[str, str]:
        """Return the ETag of each object by key, and tell of those that changed or vanished."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        now = {o["Key"]: o["ETag"] for page in pages for o in page.get("Contents", [])}
        changed = [key for key, etag in self._seen.items() if now.get(key) != etag]
        compacted = self._compacted(now) if changed else {}
        for key in changed:
            if key in now or not any(key in made_of for made_of in compacted.values()):
                what = "changed" if key in now else "vanished"
                verdict.tell("wrong", f"{key} has {what}")
        self._seen = now
        return now

    def ends(self) -> dict[Place, int]:
        """Return up to where manifests say that each partition has landed."""
        found: dict[Place, int] = {}
        for key in self.look(Verdict()):
            if at := _MANIFEST.fullmatch(key):
                place = (at[1], int(at[2]))
                found[place] = max(found.get(place, 0), int(at[4]))
        return found

    def judge(
        self, truth: Iterable[Written], lost: Mapping[Place, Sequence[Offsets]] | None = None
    ) -> Verdict:
        """Compare everything in the lake with the truth; right rows are counted as records.

        Args:
            truth: All that was committed.
            lost: What retention took, and the lake has to say so.
        """
        verdict = Verdict()
        lost = lost or {}
        left = [
            w
            for w in truth
            if not any(_within(w.offset, hole) for hole in lost.get((w.topic, w.partition), ()))
        ]
        keys = self.look(verdict)
        if uploads := self._client.list_multipart_uploads(Bucket=self._bucket).get("Uploads"):
            verdict.tell("wrong", f"{len(uploads)} uploads were begun and left", len(uploads))
        manifests = {key: at for key in keys if (at := _MANIFEST.fullmatch(key))}
        named = self._manifests(verdict, manifests, left, lost)
        objects = keys.keys() - manifests.keys()
        compacted = self._compacted(objects)
        for key in objects - named.keys() - compacted.keys():
            verdict.tell("wrong", f"{key} is of no manifest")
        gone = _stood_for(verdict, compacted, named)
        for key in named.keys() - objects - gone:
            verdict.tell("missing", f"{key} is in a manifest, and not there")
        # What is stood for is not read, whether it is still there or not
        says: dict[str, dict[str, Any] | None] = {
            key: named.get(key)
            for key in sorted(objects & (named.keys() | compacted.keys()) - gone)
        }
        self._rows(verdict, says, left)
        return verdict

    def _compacted(self, keys: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]]:
        """Return what each compacted object says that it was made of, by key."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for key in keys:
            folder, _, name = key.rpartition("/")
            at = _OBJECT.fullmatch(name)
            if at and at["compact"]:
                footer = pq.read_metadata(io.BytesIO(self._get(key))).metadata or {}
                sources = json.loads(footer.get(_MADE_OF, b'{"sources":[]}'))["sources"]
                found[key] = {
                    f"{folder}/{of}": {"rows": rows, "size": size, "sha256": sha256}
                    for of, rows, size, sha256 in sources
                }
        return found

    def _manifests(
        self,
        verdict: Verdict,
        keys: Mapping[str, re.Match[str]],
        truth: Iterable[Written],
        lost: Mapping[Place, Sequence[Offsets]],
    ) -> dict[str, dict[str, Any]]:
        """Return what is said of each object, and look at the seams."""
        offsets: dict[Place, list[int]] = defaultdict(list)
        for written in truth:
            offsets[written.topic, written.partition].append(written.offset)
        named: dict[str, dict[str, Any]] = {}
        ends: dict[Place, int] = {}
        holes: dict[Place, list[Offsets]] = defaultdict(list)
        for key in sorted(keys):
            place = (keys[key][1], int(keys[key][2]))
            start, end = int(keys[key][3]), int(keys[key][4])
            says = json.loads(self._get(key))
            before = ends.get(place, 0)
            ends[place] = end
            if start != before:
                holes[place].append((before, start))
            if says["lost"] != ([before, start] if start != before else None):
                verdict.tell("wrong", f"{key} says that {says['lost']} is lost, after {before}")
            count = sum(start <= offset < end for offset in offsets[place])
            if says["records"] != count:
                verdict.tell("wrong", f"{key} says {says['records']} records, there are {count}")
            for of in says["objects"]:
                if of["key"] in named:
                    verdict.tell("wrong", f"{of['key']} is in two manifests")
                named[of["key"]] = of
        for place in holes.keys() | lost.keys():
            if holes[place] != list(lost.get(place, ())):
                verdict.tell(
                    "wrong", f"{place} has the holes {holes[place]}, not {lost.get(place)}"
                )
        return named

    def _rows(
        self,
        verdict: Verdict,
        named: Mapping[str, Mapping[str, Any] | None],
        truth: Iterable[Written],
    ) -> None:
        wanted, covered = _wanted(truth)
        found: dict[str, set[Row]] = defaultdict(set)
        for key, says in named.items():
            body = self._get(key)
            table = pq.read_table(io.BytesIO(body))
            told = (hashlib.sha256(body).hexdigest(), len(body), table.num_rows)
            if says and told != (says["sha256"], says["size"], says["rows"]):
                verdict.tell("wrong", f"{key} is not what its manifest says")
            if key.startswith(_COVERAGE):
                for of in table.to_pylist():
                    for count in ("rows", "messages"):
                        covered[of["symbol"], of["data_type"], of["hour"], count] -= of[count]
                continue
            folder, _, name = key.rpartition("/")
            names = sorted(table.column_names)
            rows = zip(*(table[c].to_pylist() for c in names), strict=True)
            self._object(
                verdict, key, name, [(*names, *row) for row in rows], wanted[folder], found[folder]
            )
            _sorted(verdict, key, table.to_pydict())
        for folder, rows_of in wanted.items():
            for row in rows_of.keys() - found[folder]:
                written = rows_of[row]
                where = f"{written.topic}-{written.partition} offset {written.offset}"
                verdict.tell("missing", f"{where}, {written.kind} in {folder}")
        for of_hour, difference in covered.items():
            if difference:
                verdict.tell("wrong", f"coverage of {of_hour} differs by {difference}")

    def _object(
        self,
        verdict: Verdict,
        key: str,
        name: str,
        rows: Iterable[Row],
        wanted: Mapping[Row, Written],
        found: set[Row],
    ) -> None:
        at = _OBJECT.fullmatch(name)
        if not at:
            verdict.tell("wrong", f"{key} is no name of an object")
            return
        place = (at["topic"], int(at["partition"]))
        for row in rows:
            written = wanted.get(row)
            if written is None:
                verdict.tell("wrong", f"{key} has a row of nothing that was committed: {row}")
            elif row in found:
                verdict.tell("duplicated", f"{key}: {written.kind} of offset {written.offset}")
            elif place != (written.topic, written.partition) or not _within(
                written.offset, (int(at["start"]), int(at["end"]))
            ):
                verdict.tell("wrong", f"{key} has a record of offset {written.offset}")
            else:
                verdict.records += 1
            found.add(row)

    def _get(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()


def _stood_for(
    verdict: Verdict,
    compacted: Mapping[str, Mapping[str, Mapping[str, Any]]],
    named: Mapping[str, Mapping[str, Any]],
) -> set[str]:
    """Return the objects in whose place compacted ones are read, and look at what those say."""
    found: set[str] = set()
    for key, made_of in compacted.items():
        at = _OBJECT.fullmatch(key.rpartition("/")[2])
        for source, says in made_of.items():
            of = _OBJECT.fullmatch(source.rpartition("/")[2])
            if not at or not of or not _covers(at, of):
                verdict.tell("wrong", f"{key} was made of {source}, which is not within it")
            elif not of["compact"]:
                manifest = named.get(source, {})
                if {name: manifest.get(name) for name in says} != says:
                    verdict.tell("wrong", f"{key} was made of {source}, but not as landed")
            found.add(source)
    return found


def _covers(one: re.Match[str], other: re.Match[str]) -> bool:
    return (
        one.group("topic", "partition") == other.group("topic", "partition")
        and one["start"] <= other["start"]
        and other["end"] <= one["end"]
    )


def _wanted(
    truth: Iterable[Written],
) -> tuple[dict[str, dict[Row, Written]], Counter[tuple[Any, ...]]]:
    """Return the rows that must be there, by folder, and what coverage must say."""
    wanted: dict[str, dict[Row, Written]] = defaultdict(dict)
    covered: Counter[tuple[Any, ...]] = Counter()
    for written in truth:
        rows = _rows(written)
        wanted[_folder(written)] |= {_row(row): written for row in rows}
        fields = written.fields
        hour = fields["local_ts"] // _HOUR_NS * _HOUR_NS
        covered[fields["symbol"], _TYPES[written.kind], hour, "rows"] += len(rows)
        covered[fields["symbol"], _TYPES[written.kind], hour, "messages"] += 1
    return wanted, covered


def _folder(written: Written) -> str:
    fields = written.fields
    day = datetime.fromtimestamp(fields["local_ts"] // 10**9, UTC).strftime("%Y-%m-%d")
    symbol = quote(fields["symbol"], safe="") or "__HIVE_DEFAULT_PARTITION__"
    exchange = fields["exchange"]
    return f"data_type={_TYPES[written.kind]}/exchange={exchange}/date={day}/symbol={symbol}"


def _rows(written: Written) -> list[dict[str, Any]]:
    """Return the rows that a record must become, by column."""
    fields, kind = written.fields, written.kind
    common = {name: fields[name] for name in _AS_IT_IS[kind]}
    if kind == "RawEvent":
        lineage = {"source_partition": written.partition, "source_offset": written.offset}
        return [common | lineage]
    common |= {name: fields[name] for name in (*_NUMBERS, *_LINEAGE)}
    if kind == "BookDelta":
        return [common | level for level in _levels(fields)]
    if kind == "DerivativeTicker":
        return [common | {n: Decimal(fields[n]) if fields[n] else None for n in _TEXTS}]
    exponents = {"price": "price_exponent", "size": "size_exponent"}
    numbers = {
        name: _number(fields[name], fields[exponents[name.rpartition("_")[2]]])
        for name in fields
        if name.rpartition("_")[2] in exponents
    }
    return [common | numbers]


def _levels(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    levels = [
        {
            "side": side,
            "price": _number(price, fields["price_exponent"]),
            "size": _number(size, fields["size_exponent"]),
        }
        for side in ("bid", "ask")
        for price, size in zip(fields[f"{side}_prices"], fields[f"{side}_sizes"], strict=True)
    ]
    # A delta without levels is a row too
    levels = levels or [{"side": None, "price": None, "size": None}]
    return [level | {"level": n} for n, level in enumerate(levels)]


def _number(mantissa: int | None, exponent: int) -> Decimal | None:
    return None if mantissa is None else Decimal(mantissa).scaleb(exponent)


def _row(row: Mapping[str, Any]) -> Row:
    names = sorted(row)
    return (*names, *(row[name] for name in names))


def _sorted(verdict: Verdict, key: str, columns: Mapping[str, list[Any]]) -> None:
    number = columns.get("seq", columns["source_offset"])
    levels = columns.get("level", [0] * len(number))
    order = list(zip(columns["local_ts"], number, levels, strict=True))
    if order != sorted(order):
        verdict.tell("wrong", f"{key} is not sorted")


def _within(offset: int, of: Offsets) -> bool:
    return of[0] <= offset < of[1]
