"""Objects in S3, by the standard AWS environment."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from jetl2.export.errors import WrongSpec

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LOOKUPS = 16
_MISSING = ("404", "NoSuchKey", "NoSuchBucket", "NotFound")
# Parts of one fixed size, so that a large object has the same ETag each time
_TRANSFER = TransferConfig(multipart_threshold=64 << 20, multipart_chunksize=32 << 20)


class Folder:
    """A place in a bucket: an s3:// URL, keys relative to it.

    Raises:
        WrongSpec: Not an s3:// URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("s3", "s3a") or not parts.netloc:
            raise WrongSpec(f"expected an s3://bucket/prefix URL, found {url!r}")
        self.bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._client: S3Client | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Clients stay in their process; a Spark task makes its own
        return self.__dict__ | {"_client": None}

    @property
    def client(self) -> "S3Client":
        """The S3 client, made at first use."""
        if self._client is None:
            config = Config(
                retries={"mode": "standard", "max_attempts": 5},
                max_pool_connections=_LOOKUPS,
            )
            self._client = boto3.client("s3", config=config)
        return self._client

    def key(self, name: str) -> str:
        """Return the whole key of an object below the prefix."""
        return f"{self._prefix}/{name}" if self._prefix else name

    def url(self, name: str) -> str:
        """Return the URL by which Spark reads an object."""
        return f"s3a://{self.bucket}/{self.key(name)}"

    def read(self, name: str) -> bytes | None:
        """Return the bytes of an object, None when there is none."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.key(name))
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return answer["Body"].read()

    def existing(self, names: Iterable[str]) -> Iterator[str]:
        """Yield those of the names that there are objects of."""
        listed = list(names)
        self.client.meta  # noqa: B018 - made before the threads share it
        with ThreadPoolExecutor(_LOOKUPS) as pool:
            for name, found in zip(listed, pool.map(self._exists, listed), strict=True):
                if found:
                    yield name

    def keys(self, prefix: str) -> list[str]:
        """Return the names of the objects that begin so, in order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.key(prefix)
        )
        cut = len(self.key(""))
        return [found["Key"][cut:] for page in pages for found in page.get("Contents", [])]

    def tail(self, name: str, size: int) -> bytes | None:
        """Return the last bytes of an object, fewer when it is smaller; None when there is none."""
        try:
            answer = self.client.get_object(
                Bucket=self.bucket, Key=self.key(name), Range=f"bytes=-{size}"
            )
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return answer["Body"].read()

    def write_json(self, name: str, document: object) -> None:
        """Write an object of JSON, the same bytes for the same document."""
        body = json.dumps(document, sort_keys=True, ensure_ascii=False).encode()
        self.client.put_object(
            Bucket=self.bucket, Key=self.key(name), Body=body, ContentType="application/json"
        )

    def upload(self, path: Path, name: str) -> None:
        """Write a file, in parts when it is large."""
        self.client.upload_file(
            str(path),
            self.bucket,
            self.key(name),
            # Not as an encoding: clients would unpack it, and the checksum is of the packed bytes
            ExtraArgs={"ContentType": "application/gzip"},
            Config=_TRANSFER,
        )

    def _exists(self, name: str) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=self.key(name))
        except ClientError as error:
            if _is_missing(error):
                return False
            raise
        return True


def _is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in _MISSING
