"""Records to Kafka bytes and back: Avro single-object encoding with a fingerprint of our own.

The fingerprint is the first 8 bytes of SHA-256 over the whole normalised schema, because the
standard CRC-64 of the parsing canonical form ignores logical types, scales and defaults. Readers
know every schema ever released: those in `avsc/` and the older ones in `avsc/history/`.
"""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from jetl2.schemas import records

MAGIC = b"\xc3\x01"
HEADER_BYTES = 10

# merge_ts is the last field of every market record: a zero there is one byte, so that a writer may
# encode first and stamp at the very end
ZERO = b"\x00"

type_by_name: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        records.RawEvent,
        records.BookDelta,
        records.Trade,
        records.BookTicker,
        records.DerivativeTicker,
        records.Liquidation,
        records.Gap,
        records.Resync,
        records.DeadLetter,
        records.BookState,
        records.Commit,
    )
}


class UnknownSchemaError(ValueError):
    """The bytes are no single-object Avro, or of a schema that this release does not know."""


def encode(record: object) -> bytes:
    """Return header and Avro body of one record of `jetl2.schemas.records`."""
    header, schema, as_dict = _writers[type(record)]
    buffer = io.BytesIO()
    buffer.write(header)
    schemaless_writer(buffer, schema, as_dict(record))
    return buffer.getvalue()


def decode(value: bytes) -> Any:
    """Return the record that `encode`, of this or any earlier release, made.

    Raises:
        UnknownSchemaError: Not ours, or from a newer release.
    """
    cls, writer, reader = _reader(value)
    fields: Any = schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), writer, reader)
    return cls(**fields)


def record_type(value: bytes) -> type:
    """Return the class of an encoded record without decoding its body."""
    return _reader(value)[0]


def fingerprint(schema: dict[str, Any]) -> bytes:
    """Return the 8 bytes that name a schema on the wire; documentation does not count."""
    normalised = json.dumps(_without_doc(schema), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(normalised.encode()).digest()[:8]


def schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (file name without ending, schema) of the current schemas."""
    for file in sorted(_FOLDER.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".avsc"):
            yield file.name.removesuffix(".avsc"), json.loads(file.read_text())


def stamp(encoded: bytes, merge_ts: int) -> bytes:
    """Return an encoded market record, made with merge_ts 0, with its merge_ts set."""
    return encoded[:-1] + _zigzag(merge_ts)


def _zigzag(number: int) -> bytes:
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _without_doc(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _without_doc(v) for k, v in node.items() if k != "doc"}
    if isinstance(node, list):
        return [_without_doc(v) for v in node]
    return node


def _reader(value: bytes) -> tuple[type, Any, Any]:
    if value[:2] != MAGIC:
        message = f"not an Avro single object: starts with {value[:2]!r}"
        raise UnknownSchemaError(message)
    try:
        return _readers[value[2:HEADER_BYTES]]
    except KeyError:
        message = f"unknown schema fingerprint {value[2:HEADER_BYTES].hex()}: from a newer release?"
        raise UnknownSchemaError(message) from None


def _as_dict(cls: type) -> Callable[[Any], dict[str, Any]]:
    # compiled once per class: dataclasses.asdict copies deeply and is ten times slower
    names = [f.name for f in dataclasses.fields(cls)]
    body = ", ".join(f"{n!r}: r.{n}" for n in names)
    # field names of our own dataclass, nothing from outside
    compiled: Callable[[Any], dict[str, Any]] = eval(f"lambda r: {{{body}}}")  # noqa: S307
    return compiled


_FOLDER = resources.files("jetl2.schemas") / "avsc"
_writers: dict[type, tuple[bytes, Any, Callable[[Any], dict[str, Any]]]] = {}
_readers: dict[bytes, tuple[type, Any, Any]] = {}


def _load() -> None:
    current: dict[str, Any] = {}
    for _, schema in schemas():
        cls = type_by_name[schema["name"]]
        # With fastavro's mark in it: what lacks it is parsed anew for every record
        parsed = parse_schema(schema)
        current[schema["name"]] = parsed
        _writers[cls] = (MAGIC + fingerprint(schema), parsed, _as_dict(cls))
        _readers[fingerprint(schema)] = (cls, parsed, None)
    history = _FOLDER / "history"
    if history.is_dir():
        for file in history.iterdir():
            schema = json.loads(file.read_text())
            older = parse_schema(schema)
            known = (type_by_name[schema["name"]], older, current[schema["name"]])
            _readers.setdefault(fingerprint(schema), known)


_load()
