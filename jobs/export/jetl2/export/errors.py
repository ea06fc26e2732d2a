"""What can go wrong with a job as a whole, and with one unit of it."""


class ExportError(Exception):
    """Base of this package's errors; the message is one line for the operator."""


class WrongSpec(ExportError):  # noqa: N818 - reads best so
    """The specification is missing or not what a job can work from: nothing was done."""


class MissingObjects(ExportError):  # noqa: N818
    """A unit's objects are not in the lake (any more): it cannot be made, others can."""


class WrongRows(ExportError):  # noqa: N818
    """A unit's objects hold what no record can be made from: it cannot be made, others can."""
