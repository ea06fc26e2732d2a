"""FIX messages out of a stream of bytes, by their BodyLength and CheckSum."""

import re

from jetl2.ingestor.errors import DisconnectedError

# "10=" with three digits and its separator
_TRAILER = 7
_HEAD = re.compile(rb"8=FIXT?\.\d\.\d\x019=(\d{1,9})\x01")
# More than a header's first two fields can need
_HEAD_BYTES = 32


class Framer:
    """Bytes as they come from the socket in, whole messages out."""

    def __init__(self, most_bytes: int) -> None:
        self._buffer = bytearray()
        self._most_bytes = most_bytes

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        self._buffer += data

    def take(self) -> bytes | None:
        """Return the next message; None while it is not whole.

        Raises:
            DisconnectedError: What came is no FIX message; where the next one begins is unknown.
        """
        buffer = self._buffer
        head = _HEAD.match(buffer)
        if head is None:
            if len(buffer) >= _HEAD_BYTES:
                raise garbled("a message's BeginString and BodyLength", bytes(buffer[:60]))
            return None
        length = int(head[1])
        if length > self._most_bytes:
            raise garbled(f"a message of at most {self._most_bytes} bytes", head[0])
        body_end = head.end() + length
        end = body_end + _TRAILER
        if len(buffer) < end:
            return None
        payload = bytes(buffer[:end])
        if (
            b"%s10=%03d%s" % (b"\x01", sum(payload[:body_end]) % 256, b"\x01")
            != payload[body_end - 1 :]
        ):
            raise garbled("CheckSum at the end of BodyLength", payload[body_end - 1 :])
        del buffer[:end]
        return payload


def garbled(expected: str, found: bytes) -> DisconnectedError:
    """Return the end of a connection on which something else came than what must come."""
    return DisconnectedError(f"garbled: expected {expected}, found {found!r}")
