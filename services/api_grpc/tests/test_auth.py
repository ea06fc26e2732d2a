"""Keys: read from a file, told apart by their hash only."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from jetl2.api_grpc import auth
from jetl2.api_grpc.errors import ApiError

KEY = "9f0c as random as any"


def write(path: Path, **changes: Any) -> Path:
    entry = {"name": "alice", "sha256": hashlib.sha256(KEY.encode()).hexdigest()} | changes
    path.write_text(json.dumps({"keys": [entry]}))
    return path


def test_a_known_key_gives_its_name(tmp_path: Path) -> None:
    keys = auth.read(write(tmp_path / "keys.json"))

    assert auth.check(keys, f"Bearer {KEY}", "jetl2.v1.ExportService") == "alice"
    assert auth.check(keys, f"bearer {KEY}", "google.longrunning.Operations") == "alice"


@pytest.mark.parametrize("sent", ["", "Bearer ", KEY, "Basic " + KEY, "Bearer x", "Bearer"])
def test_anything_else_is_refused(tmp_path: Path, sent: str) -> None:
    keys = auth.read(write(tmp_path / "keys.json"))

    with pytest.raises(ApiError):
        auth.check(keys, sent, "jetl2.v1.ExportService")


def test_the_hash_itself_opens_nothing(tmp_path: Path) -> None:
    keys = auth.read(write(tmp_path / "keys.json"))

    with pytest.raises(ApiError):
        auth.check(keys, f"Bearer {hashlib.sha256(KEY.encode()).hexdigest()}", auth.EXPORTS)


def test_without_a_key_file_everybody_is_the_local_caller() -> None:
    assert auth.check(auth.read(None), "", "jetl2.v1.ExportService") == auth.LOCAL


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"scopes": ["exports", "everything"]}, "alice: unknown scopes everything"),
        ({"sha256": 5}, "sha256"),
        ({"key": "in the clear"}, "key"),
    ],
)
def test_a_wrong_key_file_is_refused(tmp_path: Path, changes: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        auth.read(write(tmp_path / "keys.json", **changes))
