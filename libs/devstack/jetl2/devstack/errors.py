"""What can go wrong in the development stack, with what to do about it in the message."""

from pathlib import Path


class StackError(Exception):
    """Base of this package's errors; the message is meant for the person at the terminal."""


class MissingToolError(StackError):
    """A program is needed that cannot be installed from here; the message names the command."""


class DownloadError(StackError):
    """A jar could not be fetched, or is not the file that `jars.txt` pins."""


class ProcessError(StackError):
    """A process of the stack failed; the message ends with the tail of its log."""

    def __init__(self, message: str, log: Path, tail_lines: int = 15) -> None:
        """Add where the log lies and its last lines."""
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        tail = "\n".join("  | " + line[:300] for line in lines[-tail_lines:])
        super().__init__(f"{message}\n  log: {log}" + (f"\n{tail}" if tail else ""))
        self.log = log


class NotReadyError(StackError):
    """Something did not become true in time."""
