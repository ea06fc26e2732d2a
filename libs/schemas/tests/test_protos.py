"""The generated gRPC code is what its protos give; run as a program, this writes it anew."""

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.resources import files
from pathlib import Path

import google
import grpc_tools
import mypy_protobuf.main
from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
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
        protos = sorted(p.relative_to(SCHEMAS / "proto") for p in SCHEMAS.glob("proto/**/*.proto"))
        includes = [scratch / "include", SCHEMAS / "proto", _google("api").parent.parent]
        includes.append(Path(grpc_tools.__file__).parent / "_proto")
        descriptors = scratch / "descriptors"
        status = protoc.main(
            [
                "protoc",
                *(f"-I{folder}" for folder in includes),
                *(f"--{kind}_out={scratch}" for kind in ("python", "grpc_python")),
                f"--descriptor_set_out={descriptors}",
                "--include_imports",
                "--include_source_info",
                *map(str, protos),
            ]
        )
        assert status == 0
        request = plugin_pb2.CodeGeneratorRequest(
            file_to_generate=map(str, protos),
            parameter="quiet",
            proto_file=FileDescriptorSet.FromString(descriptors.read_bytes()).file,
        )
        made = {f.name: f.read_text() for f in scratch.glob("jetl2/v1/*.py")}
        for plugin in (mypy_protobuf.main.main, mypy_protobuf.main.grpc):
            made |= {Path(f.name).name: f.content for f in _plugged(plugin, request).file}
        for file, code in made.items():
            if "_grpc" not in file or "Servicer" in code:
                (pb / file).write_text(_adapted(code))


def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    generate(tmp_path)

    fresh = {f.name: f.read_text() for f in tmp_path.iterdir()}
    kept = {f.name: f.read_text() for f in (SCHEMAS / "pb").glob("*_pb2*.py*")}
    assert fresh == kept, "stale: run `python libs/schemas/tests/test_protos.py`"


def _google(path: str) -> Path:
    return next(p for folder in google.__path__ if (p := Path(folder) / path).exists())


def _plugged(
    plugin: Callable[[], None], request: plugin_pb2.CodeGeneratorRequest
) -> plugin_pb2.CodeGeneratorResponse:
    """Run a plugin of protoc here, since a process of its own would not find its packages."""
    stdin, answer = sys.stdin, io.BytesIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(request.SerializeToString()))
    out = io.TextIOWrapper(answer)
    try:
        with redirect_stdout(out):
            plugin()
    finally:
        sys.stdin = stdin
    out.flush()
    return plugin_pb2.CodeGeneratorResponse.FromString(answer.getvalue())


def _adapted(code: str) -> str:
    # protoc knows only absolute imports by the protos' own folders
    code = re.sub(
        r"^from jetl2\.v1 import", "from jetl2.schemas.pb import", code, flags=re.MULTILINE
    )
    return HEADER + code


if __name__ == "__main__":
    generate(SCHEMAS / "pb")
