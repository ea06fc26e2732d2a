"""How a command ends when it cannot do what it was asked."""


class AdminError(Exception):
    """The message is one line for a person."""

    exit_code = 1


class UsageError(AdminError):
    """What was given is wrong; nothing was done."""

    exit_code = 2
