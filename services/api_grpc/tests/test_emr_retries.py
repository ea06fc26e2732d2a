"""Throttling and refusals as they come over HTTP, through botocore's own retries."""

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from jetl2.api_grpc import emr_serverless
from jetl2.api_grpc.documents import Run
from jetl2.api_grpc.emr_serverless import EmrServerless
from jetl2.api_grpc.launcher import LaunchError, LauncherUnavailable
from tests.emr import JOB, RUN, SPEC, STARTED, TARGET, Stage


@pytest.mark.parametrize("code", ["ThrottlingException", "TooManyRequestsException"])
def test_throttling_is_waited_out_by_botocore(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    replies = [(429, {"__type": code})] * 3 + [(200, STARTED)]

    assert _over_http(monkeypatch, replies).run == RUN


def test_throttling_that_lasts_is_left_to_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = [(429, {"__type": "ThrottlingException"})] * 4

    with pytest.raises(LauncherUnavailable, match="reached max retries: 3"):
        _over_http(monkeypatch, replies)


def test_a_refusal_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LaunchError, match="ValidationException"):
        _over_http(monkeypatch, [(400, {"__type": "ValidationException"})])


def test_the_client_waits_out_throttling_within_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    config: Any = emr_serverless.client().meta.config

    assert config.retries == {"mode": "standard", "total_max_attempts": 4}


def _over_http(monkeypatch: pytest.MonkeyPatch, replies: list[tuple[int, dict[str, Any]]]) -> Run:
    """Start a job with the real client, whose requests are answered in turn; none may be left."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    left = list(replies)
    tokens = set()

    def answer(request: Any, **_: Any) -> AWSResponse:
        tokens.add(json.loads(request.body)["clientToken"])
        status, body = left.pop(0)
        raw = type("Raw", (), {"stream": lambda *_, **__: iter([json.dumps(body).encode()])})
        headers: Any = {"x-amzn-ErrorType": body.get("__type", "")}
        return AWSResponse(request.url, status, headers, raw())

    stage = Stage()
    emr: Any = emr_serverless.client()
    emr.meta.events.register("before-send.emr-serverless.StartJobRun", answer)
    try:
        EmrServerless(emr, stage.store, TARGET, 1).start(JOB, SPEC)
    finally:
        assert left == []
        assert tokens == {f"{JOB}-1"}
    return stage.noted()
