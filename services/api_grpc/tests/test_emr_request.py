"""What EMR Serverless is told keeps to every limit of its API."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from jetl2.api_grpc import emr_request
from jetl2.api_grpc.emr_request import Target
from tests.emr import APPLICATION, JOB, ROLE, SPEC, Stage


@pytest.mark.parametrize("logs", ["/jetl2/export", "s3://logs/emr/"])
def test_the_request_keeps_to_every_limit_of_the_api(logs: str) -> None:
    target = Target(
        application=APPLICATION,
        role=ROLE,
        folder="s3://artifacts/export/1.2.0",
        logs=logs,
        timeout_minutes=5,
    )
    client = Stage().emr
    shape = client.meta.service_model.operation_model("StartJobRun").input_shape

    request = emr_request.start(target, JOB, 10**6, ["--spec", SPEC])

    assert list(_problems(shape, request, "")) == []
    wrong = request | {"clientToken": "not allowed", "executionRoleArn": "role"}
    assert len(list(_problems(shape, wrong, ""))) == 3, "the check itself sees nothing"


def _problems(shape: Shape, value: Any, at: str) -> Iterator[str]:
    """Yield where a value is outside of the API's model: botocore itself looks at types only."""
    limits = shape.metadata
    if isinstance(shape, StructureShape):
        yield from (f"{at}.{name}: missing" for name in shape.required_members if name not in value)
        for name, inner in value.items():
            yield from _problems(shape.members[name], inner, f"{at}.{name}")
        return
    if isinstance(shape, ListShape):
        for inner in value:
            yield from _problems(shape.member, inner, f"{at}[]")
    if isinstance(shape, MapShape):
        for name, inner in value.items():
            yield from _problems(shape.key, name, f"{at}.{name}")
            yield from _problems(shape.value, inner, f"{at}.{name}")
    size = value if isinstance(value, int) else len(value)
    if not limits.get("min", 0) <= size <= limits.get("max", size):
        yield f"{at}: {size} is out of bounds"
    pattern = limits.get("pattern", ".*")
    if isinstance(shape, StringShape) and not re.fullmatch(pattern, value, re.DOTALL):
        yield f"{at}: {value!r} is not {pattern}"
