"""Kafka bytes by the schema files alone.

The campaign judges the product, so it shares no code with it: only the schema files, which are the
contract. Wire form: Avro single object, bytes C3 01, then the first 8 bytes of the SHA-256 of the
schema without its documentation, as JSON with sorted keys and no spaces, then the body.
"""

import hashlib
import io
import json
from importlib import resources
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

_MAGIC = b"\xc3\x01"
_HEAD = 10


def encode(name: str, fields: dict[str, Any]) -> bytes:
    """Return one record of a schema, such as "RawEvent"."""
    buffer = io.BytesIO(_heads[name])
    buffer.seek(_HEAD)
    schemaless_writer(buffer, _schemas[_heads[name]], fields)
    return buffer.getvalue()


def decode(value: bytes | None) -> tuple[str, dict[str, Any]]:
    """Return the name of a record's schema, and its fields.

    Raises:
        ValueError: Not of any schema file.
    """
    head = (value or b"")[:_HEAD]
    if head not in _schemas:
        message = f"no schema file has the fingerprint {head.hex()}"
        raise ValueError(message)
    fields = schemaless_reader(io.BytesIO((value or b"")[_HEAD:]), _schemas[head], None)
    assert isinstance(fields, dict)
    return _names[head], fields


def _undocumented(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _undocumented(value) for name, value in node.items() if name != "doc"}
    return [_undocumented(value) for value in node] if isinstance(node, list) else node


def _head(schema: Any) -> bytes:
    text = json.dumps(_undocumented(schema), sort_keys=True, separators=(",", ":"))
    return _MAGIC + hashlib.sha256(text.encode()).digest()[: _HEAD - len(_MAGIC)]


_files = [
    json.loads(file.read_text())
    for file in (resources.files("jetl2.schemas") / "avsc").iterdir()
    if file.name.endswith(".avsc")
]
_schemas: dict[bytes, Any] = {_head(s): parse_schema(s) for s in _files}
_names: dict[bytes, str] = {_head(s): s["name"] for s in _files}
_heads: dict[str, bytes] = {name: head for head, name in _names.items()}
