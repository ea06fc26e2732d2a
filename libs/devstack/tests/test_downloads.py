"""Jars are pinned one by one, and none that differs is used."""

import hashlib
import re
from pathlib import Path

import pytest

from jetl2.devstack import downloads
from jetl2.devstack.errors import MissingToolError


@pytest.mark.parametrize("of", [downloads.KAFKA, downloads.SPARK, downloads.SPARK_35])
def test_every_jar_is_pinned_by_its_checksum(of: str) -> None:
    pins = downloads._pins(of)

    assert len(pins) > 30
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin.sha256) for pin in pins)
    assert len({pin.file for pin in pins}) == len(pins)


def test_a_file_with_another_checksum_is_not_the_jar(tmp_path: Path) -> None:
    pin = downloads.Jar("g", "a", "1", hashlib.sha256(b"jar").hexdigest())
    assert not downloads._verified(tmp_path, pin)

    (tmp_path / "a-1.jar").write_bytes(b"jar")
    assert downloads._verified(tmp_path, pin)

    (tmp_path / "a-1.jar").write_bytes(b"jaw")
    assert not downloads._verified(tmp_path, pin)


def test_the_pom_lets_maven_resolve_nothing_by_itself() -> None:
    pins = downloads._pins(downloads.KAFKA)

    pom = downloads._pom(pins)

    assert pom.count("<dependency>") == pom.count("<artifactId>*</artifactId>") == len(pins)


def test_a_missing_program_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingToolError, match="apt-get install maven"):
        downloads.tool("mvn")
