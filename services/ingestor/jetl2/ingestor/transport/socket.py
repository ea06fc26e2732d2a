"""What the ingestor needs of an open connection, whatever it speaks."""

from typing import Protocol


class Socket(Protocol):
    """An open connection that gives whole messages."""

    async def recv(self) -> bytes:
        """Return the next message, untouched.

        Raises:
            DisconnectedError: The connection is over.
        """

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            DisconnectedError: The connection is over.
        """

    async def answers(self, timeout_s: float) -> bool:
        """Ask the other side for a sign of life; return whether one came in that time.

        Raises:
            DisconnectedError: The connection is over.
        """

    async def unread(self) -> list[bytes]:
        """Return the messages that have come and were not read, without waiting for more."""

    async def close(self) -> None:
        """Say goodbye, and hang up when that is not answered soon."""
