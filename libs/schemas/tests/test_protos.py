"""The generated gRPC code is what its protos give; run as a program, this writes it anew."""

import re
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import google
import grpc_tools
from grpc_tools import protoc

SCHEMAS = Path(str(files("jetl2.schemas")))
GOOGLE = Path(next(iter(google.__path__)))
HEADER = "# Generated from jetl2/schemas/proto by `python libs/schemas/tests/test_protos.py`.\n"


def generate(pb: Path) -> None:
    """Write messages, services and their types for every proto into the folder `pb`."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        longrunning = scratch / "include/google/longrunning/operations.proto"
        longrunning.parent.mkdir(parents=True)
        # The distribution ships the file under another name than the one that it is imported by
        shutil.copy(_google("longrunning/operations_proto.proto"), longrunning)
        plugins = [_plugin(scratch, "mypy", "main"), _plugin(scratch, "mypy_grpc", "grpc")]
        protos = sorted(p.relative_to(SCHEMAS / "proto") for p in SCHEMAS.glob("proto/**/*.proto"))
        includes = [scratch / "include", SCHEMAS / "proto", _google("api").parent.parent]
        includes.append(Path(grpc_tools.__file__).parent / "_proto")
        out = scratch / "out"
        out.mkdir()
        status = protoc.main(
            [
                "protoc",
                *(f"-I{folder}" for folder in includes),
                *(f"--plugin=protoc-gen-{name}={path}" for name, path in plugins),
                *(f"--{kind}_out={out}" for kind in ("python", "grpc_python")),
                *(f"--{kind}_out=quiet:{out}" for kind in ("mypy", "mypy_grpc")),
                *map(str, protos),
            ]
        )
        assert status == 0
        for file in sorted(out.glob("jetl2/v1/*.py*")):
            if "_grpc" not in file.name or "Servicer" in file.read_text():
                (pb / file.name).write_text(_adapted(file.read_text()))


def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    generate(tmp_path)

    fresh = {f.name: f.read_text() for f in tmp_path.iterdir()}
    kept = {f.name: f.read_text() for f in (SCHEMAS / "pb").glob("*_pb2*.py*")}
    assert fresh == kept, "stale: run `python libs/schemas/tests/test_protos.py`"


def _google(path: str) -> Path:
    return next(p for folder in google.__path__ if (p := Path(folder) / path).exists())


def _plugin(folder: Path, name: str, function: str) -> tuple[str, Path]:
    script = folder / f"protoc-gen-{name}"
    call = f"import sys; sys.path[:] = {sys.path!r}; import mypy_protobuf.main as m; m.{function}()"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{call}"\n')
    script.chmod(0o755)
    return name, script


def _adapted(code: str) -> str:
    # protoc knows only absolute imports by the protos' own folders
    code = re.sub(
        r"^from jetl2\.v1 import", "from jetl2.schemas.pb import", code, flags=re.MULTILINE
    )
    return HEADER + code


if __name__ == "__main__":
    generate(SCHEMAS / "pb")
