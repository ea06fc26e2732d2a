"""The lake as a compaction uses it: listed, read and written file by file, and objects taken away."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from jetl2.landing import sink
from jetl2.landing.errors import UnavailableError
from jetl2.landing.sink import THERE, errors

_CHUNK = 1024 * 1024
# Also what AWS answers while another write of the key is under way
_THERE = THERE | {"ConditionalRequestConflict", "409"}
# Of one request
_REMOVED_AT_ONCE = 1000


class Shelf(sink.Lake):
    """A lake; each method raises UnavailableError when S3 does not do it."""

    def folders(self, prefix: str) -> list[str]:
        """Return the folders right below a prefix that ends in "/", whole, each ending in "/"."""
        with errors("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix, Delimiter="/"
            )
            return [
                found["Prefix"].removeprefix(self._prefix)
                for page in pages
                for found in page.get("CommonPrefixes", [])
            ]

    def sizes(self, prefix: str, after: str = "") -> dict[str, int]:
        """Return the size of each object below a prefix, by key, those after a key."""
        with errors("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket,
                Prefix=self._prefix + prefix,
                StartAfter=self._prefix + after if after else "",
            )
            return {
                found["Key"].removeprefix(self._prefix): found["Size"]
                for page in pages
                for found in page.get("Contents", [])
            }

    def download(self, key: str, to: Path) -> str | None:
        """Write an object into a file and return its sha256; None when there is none."""
        digest = hashlib.sha256()
        with errors("read", key):
            body = self._open(key)
            if body is None:
                return None
            with to.open("wb") as file:
                for chunk in body.iter_chunks(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        return digest.hexdigest()

    def put_new_file(self, key: str, path: Path) -> bool:
        """Write an object from a file unless there is one; return whether it was written."""
        with path.open("rb") as body:
            return self._create(key, body, _THERE)

    def remove(self, keys: Sequence[str]) -> None:
        """Take objects away; what is gone already is no error."""
        for start in range(0, len(keys), _REMOVED_AT_ONCE):
            some = keys[start : start + _REMOVED_AT_ONCE]
            with errors("take away", some[0]):
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={
                        "Objects": [{"Key": self._prefix + key} for key in some],
                        "Quiet": True,
                    },
                )
            if failed := answer.get("Errors"):
                first = failed[0]
                message = (
                    f"could not take away {len(failed)} objects of the lake, first "
                    f"{first.get('Key')}: {first.get('Code')} {first.get('Message')}"
                )
                raise UnavailableError(message)
