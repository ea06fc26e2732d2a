"""Objects in S3 under one prefix, with conditional writes: all the state that the API has."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from jetl2.api_grpc.errors import ApiError
from jetl2.schemas.pb import errors_pb2

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

_NOT_FOUND = ("NoSuchKey", "404")
# 409: AWS saw another write of the key in flight
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_CONNECTIONS = 32


class Stored(NamedTuple):
    """An object as read: its bytes, and the tag by which a later write can be conditional."""

    body: bytes
    etag: str
    modified: datetime


class Entry(NamedTuple):
    """An object as listed; `key` is relative to the store."""

    key: str
    size: int


def client(endpoint: str | None = None) -> "S3Client":
    """Return a client that finds its server and credentials in the standard AWS_* variables."""
    config = Config(
        connect_timeout=3,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=_CONNECTIONS,
        signature_version="s3v4",
    )
    with _creating:
        made = boto3.client("s3", config=config, endpoint_url=endpoint)
        if ".amazonaws.com" in made.meta.endpoint_url:
            return made
        # Only AWS is sure to know each bucket as a host
        by_path = config.merge(Config(s3={"addressing_style": "path"}))
        return boto3.client("s3", config=by_path, endpoint_url=endpoint)


# boto3's default session may not make two clients at the same time
_creating = threading.Lock()


@dataclass(frozen=True, slots=True)
class Store:
    """A bucket and a prefix in it; every key below is relative to that prefix.

    Each method raises ApiError (STORAGE_UNAVAILABLE) when S3 does not answer or refuses.
    """

    s3: "S3Client"
    bucket: str
    prefix: str

    def url(self, key: str = "") -> str:
        """Return the s3:// URL of a key."""
        return f"s3://{self.bucket}/{self.prefix}{key}".rstrip("/")

    def get(self, key: str, part: tuple[int, int] | None = None) -> Stored | None:
        """Return an object, None where there is none.

        Args:
            part: Only these bytes, from and up to; there must be such.
        """
        only = {"Range": f"bytes={part[0]}-{part[1] - 1}"} if part else {}
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + key, **only)  # type: ignore[arg-type] # the stubs want literal keywords
            return Stored(answer["Body"].read(), answer["ETag"], answer["LastModified"])
        except ClientError as error:
            if _code(error) in _NOT_FOUND:
                return None
            raise _unavailable(error) from error
        except (BotoCoreError, HTTPClientError) as error:
            raise _unavailable(error) from error

    def size(self, key: str) -> int | None:
        """Return the size of an object, None where there is none."""
        try:
            return self.s3.head_object(Bucket=self.bucket, Key=self.prefix + key)["ContentLength"]
        except ClientError as error:
            if _code(error) in _NOT_FOUND:
                return None
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error

    def create(self, key: str, body: bytes) -> bool:
        """Write an object that does not exist yet; False where one does."""
        return self._put(key, body, {"IfNoneMatch": "*"})

    def replace(self, key: str, body: bytes, etag: str) -> bool:
        """Write an object that is still as it was read; False where it is not."""
        return self._put(key, body, {"IfMatch": etag})

    def put(self, key: str, body: bytes) -> None:
        """Write an object, whatever there is."""
        self._put(key, body, {})

    def delete(self, key: str) -> None:
        """Remove an object; harmless where there is none."""
        try:
            self.s3.delete_object(Bucket=self.bucket, Key=self.prefix + key)
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error

    def entries(self, prefix: str, after: str = "", limit: int | None = None) -> Iterator[Entry]:
        """Yield the objects below a prefix, by key, those after `after`."""
        for page in self._pages(prefix, after=after, limit=limit):
            for item in page.get("Contents", []):
                yield Entry(item["Key"][len(self.prefix) :], item["Size"])

    def folders(self, prefix: str) -> list[str]:
        """Return the names right below a prefix that ends in "/", without their "/"."""
        cut = len(self.prefix + prefix)
        return [
            item["Prefix"][cut:-1]
            for page in self._pages(prefix, delimiter="/")
            for item in page.get("CommonPrefixes", [])
        ]

    def check(self) -> None:
        """Raise unless the bucket answers."""
        try:
            self.s3.head_bucket(Bucket=self.bucket)
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error

    def presign(self, key: str, file_name: str, lifetime_s: int) -> str:
        """Return a URL that serves an object for a while, with Range, as a file of that name."""
        return self.s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": self.prefix + key,
                "ResponseContentDisposition": f'attachment; filename="{file_name}"',
            },
            ExpiresIn=lifetime_s,
        )

    def _put(self, key: str, body: bytes, condition: dict[str, str]) -> bool:
        try:
            self.s3.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=body, **condition)  # type: ignore[arg-type] # the stubs want literal keywords
        except ClientError as error:
            if condition and _code(error) in (*_REFUSED, *_NOT_FOUND):
                # A write whose answer was lost is retried by boto3, and then refused by itself
                stored = self.get(key)
                return stored is not None and stored.body == body
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return True

    def _pages(
        self, prefix: str, *, after: str = "", delimiter: str = "", limit: int | None = None
    ) -> "Iterator[ListObjectsV2OutputTypeDef]":
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket,
            Prefix=self.prefix + prefix,
            StartAfter=self.prefix + after if after else "",
            Delimiter=delimiter,
            PaginationConfig={"MaxItems": limit} if limit else {},
        )
        try:
            yield from pages
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error


def store(s3: "S3Client", url: str) -> Store:
    """Return the store at s3://bucket/prefix."""
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    return Store(s3, parts.netloc, f"{prefix}/" if prefix else "")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unavailable(error: Exception) -> ApiError:
    # Details, such as our endpoint, are for the log (the cause) and not for the caller
    return ApiError(
        errors_pb2.ERROR_REASON_STORAGE_UNAVAILABLE,
        f"object storage does not answer as it should ({type(error).__name__})",
    )
