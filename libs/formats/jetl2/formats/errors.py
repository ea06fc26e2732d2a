"""What can be asked of this package in vain."""


class FormatError(ValueError):
    """Base of this package's errors: the request is wrong, nothing was written."""


class UnknownDataType(FormatError):  # noqa: N818 - reads best so
    """No such type of file; the message lists those there are."""


class NameCollision(FormatError):  # noqa: N818
    """Two symbols of an exchange would be written under one file name (BTC/USD and BTC-USD)."""
