"""Who we are to an exchange that wants to know; told by the environment, shown nowhere."""

from pydantic import BaseModel, ConfigDict, SecretStr

from jetl2.exchanges.fix import Fix


class Credentials(BaseModel):
    """Who logs on; which of these an exchange needs is said by its module.

    Args:
        sender: SenderCompID, or several with commas between: one for each session.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sender: str = ""
    key: SecretStr = SecretStr("")
    secret: SecretStr = SecretStr("")
    passphrase: SecretStr = SecretStr("")

    def value(self, name: str) -> str:
        """Return one of them in the open; never to be written down."""
        found = getattr(self, name)
        return found.get_secret_value() if isinstance(found, SecretStr) else str(found)

    def senders(self, side: Fix) -> list[str]:
        """Return the names of the sessions that there may be at a time."""
        if side.sender_is_key:
            return [self.value("key")]
        return [name for name in map(str.strip, self.sender.split(",")) if name]

    def missing(self, side: Fix) -> list[str]:
        """Return what an exchange needs and is not given."""
        return [name for name in side.needs if not self.value(name)]
