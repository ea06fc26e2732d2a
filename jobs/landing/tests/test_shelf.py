"""What S3 answers to a compaction, and what is made of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.stub import ANY, Stubber

from jetl2.landing.compaction.shelf import Shelf
from jetl2.landing.errors import UnavailableError


@pytest.fixture
def stub(shelf: Shelf) -> Iterator[Stubber]:
    with Stubber(shelf._client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Shelf("s3://bucket/lake")


def test_objects_are_taken_away_a_thousand_in_a_request(shelf: Shelf, stub: Stubber) -> None:
    keys = [f"{n}.parquet" for n in range(1001)]
    for some in (keys[:1000], keys[1000:]):
        objects = [{"Key": f"lake/{key}"} for key in some]
        asked = {"Bucket": "bucket", "Delete": {"Objects": objects, "Quiet": True}}
        stub.add_response("delete_objects", {}, asked)

    shelf.remove(keys)


def test_what_is_not_taken_away_is_told(shelf: Shelf, stub: Stubber) -> None:
    failed = {"Key": "lake/b", "Code": "AccessDenied", "Message": "no"}
    stub.add_response("delete_objects", {"Errors": [failed]})

    with pytest.raises(UnavailableError, match="1 objects of the lake, first lake/b: AccessDenied"):
        shelf.remove(["a", "b"])


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_an_object_that_is_there_is_not_written(
    shelf: Shelf, stub: Stubber, tmp_path: Path, code: str
) -> None:
    path = tmp_path / "made"
    path.write_bytes(b"rows")
    stub.add_client_error("put_object", code)
    asked = {"Bucket": "bucket", "Key": "lake/k", "Body": ANY, "IfNoneMatch": "*"}
    stub.add_response("put_object", {}, asked)

    assert not shelf.put_new_file("k", path)
    assert shelf.put_new_file("k", path)


def test_an_object_that_is_gone_is_told_apart_from_one_that_may_not_be_read(
    shelf: Shelf, stub: Stubber, tmp_path: Path
) -> None:
    stub.add_client_error("get_object", "NoSuchKey")
    stub.add_client_error("get_object", "AccessDenied")

    assert shelf.download("k", tmp_path / "k") is None
    with pytest.raises(UnavailableError, match="could not read k in the lake"):
        shelf.download("k", tmp_path / "k")
