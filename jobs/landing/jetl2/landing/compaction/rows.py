"""What tells whether two sets of rows are the same, in whatever order they come; pure."""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Words = np.ndarray[Any, np.dtype[np.uint64]]

_NULL = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xD1B54A32D192ED03)


class RowSum:
    """Count of rows and sum of a 128-bit hash of each: equal for equal rows, in any order."""

    def __init__(self) -> None:
        """Begin with no row."""
        self.rows = 0
        self._sums = [0, 0]

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows.

        Raises:
            TypeError: A column's type is none of the lake's.
        """
        self.rows += batch.num_rows
        row = np.zeros(batch.num_rows, np.uint64)
        # By name, so that the order of the columns says nothing
        for name in sorted(batch.schema.names):
            row = _mixed(row ^ (_words(batch.column(name)) + _hash(name.encode())))
        for n, words in enumerate((row, _mixed(row + _SECOND))):
            self._sums[n] = (self._sums[n] + int(words.sum(dtype=np.uint64))) % 2**64

    def digest(self) -> str:
        """Return the sum, 32 hex digits."""
        return "".join(f"{part:016x}" for part in self._sums)


def _words(column: "pa.Array[Any]") -> Words:
    """Return 64 bits for each value."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        plain = column.fill_null(False if pa.types.is_boolean(kind) else 0)
        words = _mixed(plain.cast(pa.int64()).to_numpy(zero_copy_only=False).view(np.uint64))
    elif pa.types.is_decimal128(kind):
        buffer: Any = column.buffers()[1]
        start = 2 * column.offset
        halves = np.frombuffer(buffer, np.uint64)[start : start + 2 * len(column)].reshape(-1, 2)
        words = _mixed(_mixed(halves[:, 0]) + halves[:, 1])
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        encoded: Any = column.cast(pa.binary()).dictionary_encode()
        known = np.array([_hash(value) for value in encoded.dictionary.to_pylist()], np.uint64)
        words = np.append(known, _NULL)[encoded.indices.fill_null(len(known)).to_numpy()]
    else:
        message = f"no column of the lake is of type {kind}"
        raise TypeError(message)
    if column.null_count:
        nulls = pc.is_null(column).to_numpy(zero_copy_only=False)
        words = np.where(nulls, _NULL, words)
    return words


def _hash(value: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(value, digest_size=8).digest(), "little"))


def _mixed(words: Words) -> Words:
    """Return each word spread over all its bits (the finaliser of SplitMix64)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
