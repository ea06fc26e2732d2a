"""What can be wrong with a book, by cure."""


class BookError(Exception):
    """Base of this package's errors: the book of that symbol must be taken anew."""


class NotASnapshot(BookError):  # noqa: N818 - reads best so
    """`Book.replace` was given a delta, or `Book.apply` a snapshot: a mistake in the caller."""


class UnknownRow(BookError):  # noqa: N818 - reads best so
    """A row changes that was never there: something is missing."""
