"""What can be wrong with input from an exchange, by cure."""

from collections.abc import Callable


class ExchangeError(Exception):
    """Base of this package's errors."""


class UnexpectedFrame(ExchangeError):  # noqa: N818 - a kind of frame, the name reads best so
    """A frame that the exchange's module cannot read: to the dead-letter topic, the feed goes on.

    The message says what was expected and what was found.
    """


class UnknownExchange(ExchangeError):  # noqa: N818
    """No module of that name; the message lists those there are."""


class UnsupportedRecording(ExchangeError):  # noqa: N818
    """A session in a protocol that no module here speaks (retired API, unknown exchange)."""


# What decoding and parsing of foreign bytes may raise; ValueError covers msgspec and our decimals
UNREADABLE = (
    UnexpectedFrame,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def reason(error: Exception, frame: object = None) -> str:
    """Return why a frame could not be read, as a sentence that names the field where it can.

    Args:
        frame: What was being read, as far as it was decoded.
    """
    if isinstance(error, UnexpectedFrame):
        return str(error)
    if isinstance(error, KeyError) and error.args:
        wanted = error.args[0]
        field = _field(frame, lambda value: type(value) is type(wanted) and value == wanted)
        if field is not None:
            return f"expected another value in the field {field!r}, found {wanted!r:.100}"
        return f"expected the field {wanted!r:.100}, which is not there"
    if isinstance(error, IndexError):
        return f"expected more items in a list ({error})"
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ValueError):
        # Whoever refuses a text quotes it
        field = _field(frame, lambda value: isinstance(value, str) and repr(value) in text)
        if field is not None:
            return f"expected another value in the field {field!r}: {text}"
    return text


def _field(frame: object, fits: Callable[[object], bool]) -> str | None:
    """Return the field of a decoded frame that holds such a value, itself or in lists."""
    left: list[tuple[str, object]] = [("", frame)]
    while left:
        field, found = left.pop()
        if isinstance(found, dict):
            left += [(str(name), value) for name, value in found.items()]
        elif isinstance(found, list):
            left += [(field, item) for item in found]
        elif fits(found):
            return field
    return None
