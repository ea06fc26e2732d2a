"""What can go wrong between an exchange and Kafka, by cure."""


class IngestorError(Exception):
    """Base of this package's errors."""


class BufferFullError(IngestorError):
    """Kafka takes less than comes in: close the connections, note the loss, wait for room."""


class DisconnectedError(IngestorError):
    """The connection is over or could not be made: back off, connect anew."""


class ThrottledError(DisconnectedError):
    """The exchange opens no connection for now: open none to it for `wait_s`."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class RefusedError(IngestorError):
    """The exchange will not answer this request however often it is asked: log it, go on."""


class ProducerError(IngestorError):
    """The producer can't go on (librdkafka calls it fatal): end the process, restart."""


class FeedsError(IngestorError):
    """The file that says what to take is wrong: end the process with the reason."""


class UnlistedError(IngestorError):
    """An exchange's list of instruments could not be had or read: take what is named exactly."""
