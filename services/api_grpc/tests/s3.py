"""What the launcher needs of S3, in memory, with conditional writes as S3 makes them."""

import hashlib
import io
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from jetl2.api_grpc.store import Store


class Memory:
    """The calls of boto3's client that `Store` makes."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803 - boto3's
        if Key not in self.bodies:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        body = self.bodies[Key]
        return {"Body": io.BytesIO(body), "ETag": _etag(body), "LastModified": datetime.now(UTC)}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **condition: str) -> None:  # noqa: ARG002, N803 - boto3's
        there = self.bodies.get(Key)
        wrong = "IfNoneMatch" in condition and there is not None
        wrong |= "IfMatch" in condition and (there is None or _etag(there) != condition["IfMatch"])
        if wrong:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.bodies[Key] = Body


def store() -> Store:
    return Store(Memory(), "downloads", "")  # type: ignore[arg-type] # of boto3 what is needed


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
