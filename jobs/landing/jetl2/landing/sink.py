"""The lake: objects in S3, written with one request each."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jetl2.landing.errors import UnavailableError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

_MISSING = {"NoSuchKey", "404", "NotFound"}
# What S3 answers to a conditional put that meets an object
THERE = {"PreconditionFailed", "412"}


class Lake:
    """A bucket and a prefix in it; keys are given without the prefix."""

    def __init__(self, url: str) -> None:
        """Make a client from the standard AWS environment; nothing is asked yet.

        Args:
            url: s3://bucket or s3://bucket/prefix.
        """
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client: S3Client = boto3.client(
            "s3", config=Config(retries={"mode": "standard", "max_attempts": 8})
        )

    def put(self, key: str, body: bytes) -> None:
        """Write an object, replacing what is there.

        Raises:
            UnavailableError: S3 did not take it.
        """
        with errors("write", key):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body)

    def put_new(self, key: str, body: bytes) -> bool:
        """Write an object unless there is one; return whether it was written."""
        return self._create(key, body, THERE)

    def get(self, key: str) -> bytes | None:
        """Return an object, None when there is none."""
        with errors("read", key):
            body = self._open(key)
            return None if body is None else body.read()

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin so, in order."""
        with errors("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            return [
                found["Key"].removeprefix(self._prefix)
                for page in pages
                for found in page.get("Contents", [])
            ]

    def _create(self, key: str, body: bytes | BinaryIO, there: Collection[str]) -> bool:
        """Write an object unless S3 answers with one of the codes that say it is there."""
        with errors("write", key):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._prefix + key, Body=body, IfNoneMatch="*"
                )
            except ClientError as error:
                if _code(error) not in there:
                    raise
                return False
            return True

    def _open(self, key: str) -> "StreamingBody | None":
        """Return what an object's bytes are read from, None when there is none."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
        except ClientError as error:
            if _code(error) not in _MISSING:
                raise
            return None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def errors(what: str, key: str) -> Iterator[None]:
    """Raise UnavailableError, with what was tried, for what boto3 raises in the block."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        message = f"could not {what} {key} in the lake: {error}"
        raise UnavailableError(message) from error
