"""What can be wrong with input from an exchange, by cure."""


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
