"""The Dockerfile's facts, and its unpacking on the built PEX files; no Docker engine is needed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import packages
import pytest
import yaml

FOLDER = packages.ROOT / "infra/images"
LINES = [
    line
    for line in (FOLDER / "Dockerfile").read_text().splitlines()
    if line and not line.startswith("#")
]
SERVICES = [package.name for package in packages.read().values() if package.kind == "service"]


def _all(instruction: str) -> list[str]:
    return [line.split(" ", 1)[1] for line in LINES if line.startswith(f"{instruction} ")]


def test_the_base_is_one_image_for_good() -> None:
    base = _all("ARG")[0]

    assert re.fullmatch(r"BASE=python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert _all("FROM") == ["${BASE} AS unpacked", "${BASE}"]


def test_it_runs_as_the_user_that_the_chart_asks_for() -> None:
    asked = re.findall(
        r"runAs(?:User|Group): (\d+)",
        (packages.ROOT / "infra/chart/templates/_helpers.tpl").read_text(),
    )

    # Of the last stage, which is the image
    final = LINES[LINES.index("FROM ${BASE}") :]
    assert [line for line in final if line.startswith("USER ")] == [f"USER {':'.join(asked)}"]
    assert int(asked[0]) > 0


def test_only_the_pex_comes_in_and_nothing_is_installed() -> None:
    assert _all("COPY") == ["${SERVICE}.pex /service.pex", "--from=unpacked /app /app"]
    assert not _all("ADD")
    assert len(_all("RUN")) == 1
    assert _all("ENTRYPOINT") == ['["/app/pex"]']


def test_each_service_has_a_repository_and_a_service_account_of_its_name() -> None:
    ecr = (packages.ROOT / "infra/terraform/modules/ecr/variables.tf").read_text()
    listed = re.search(r"default\s*=\s*(\[.*?\])", ecr)

    assert listed is not None
    assert sorted(yaml.safe_load(listed[1])) == sorted(name.replace("_", "-") for name in SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_an_unpacked_service_starts_and_writes_nothing(service: str, tmp_path: Path) -> None:
    pex = packages.ROOT / f"dist/{service}.pex"
    if not pex.exists():
        pytest.skip(f"{pex.relative_to(packages.ROOT)} is not built")
    (command,) = _all("RUN")
    (tmp_path / "home").mkdir()
    # The same in another place
    for inside, here in {
        "python3.11 ": f"{sys.executable} ",
        "/service.pex": str(pex),
        "/tmp/pex": str(tmp_path / "root"),
        "/app": str(tmp_path / "app"),
    }.items():
        assert inside in command
        command = command.replace(inside, here)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    subprocess.run(["bash", "-c", command], check=True, env=env, cwd=tmp_path)
    shutil.rmtree(tmp_path / "root")
    unpacked = _state(tmp_path)

    done = subprocess.run(
        [tmp_path / "app/pex", "--version"], capture_output=True, text=True, env=env, check=True
    )

    assert done.stdout.startswith(f"{service} ")
    assert _state(tmp_path) == unpacked


def _state(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}
