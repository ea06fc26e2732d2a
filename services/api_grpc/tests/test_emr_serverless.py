"""What the answers of EMR Serverless mean; botocore checks calls and answers against its model."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoRegionError

from jetl2.api_grpc import emr_serverless
from jetl2.api_grpc.documents import Run, encode
from jetl2.api_grpc.emr_request import Target
from jetl2.api_grpc.emr_serverless import EmrServerless
from jetl2.api_grpc.launcher import JobState, LaunchError, LauncherUnavailable
from tests.emr import (
    APPLICATION,
    APPLICATION_ARN,
    ASKED,
    INSIDE,
    JOB,
    KEY,
    RELEASE,
    ROLE,
    RUN,
    SPEC,
    Stage,
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    with made.stub:
        yield made
        made.stub.assert_no_pending_responses()


def test_a_job_is_started_with_its_pex_once_for_its_attempt(stage: Stage) -> None:
    stage.starts()

    stage.jobs.start(JOB, SPEC)

    assert stage.noted() == Run(attempt=1, run=RUN)
    assert stage.jobs.state(JOB) == JobState(running=True)


def test_a_replica_that_dies_before_it_hears_of_the_run_leaves_the_same_run_to_the_next(
    stage: Stage,
) -> None:
    stage.stub.add_client_error("start_job_run", "InternalServerException", "", 500)
    with pytest.raises(LauncherUnavailable):
        stage.jobs.start(JOB, SPEC)
    assert stage.noted() == Run(attempt=1)
    assert stage.jobs.state(JOB) is None

    stage.starts(attempt=1)
    stage.launcher().start(JOB, SPEC)

    assert stage.noted() == Run(attempt=1, run=RUN)


def test_a_replica_that_was_overtaken_finds_the_run_of_the_other(stage: Stage) -> None:
    stage.starts()
    stage.launcher().start(JOB, SPEC)
    # Its own answer comes after the other's: the token is the same, and so is the run
    overtaken = stage.launcher()
    stage.runs("RUNNING")

    overtaken.start(JOB, SPEC)

    assert stage.noted() == Run(attempt=1, run=RUN)


def test_a_restarted_api_finds_the_run_by_the_job_and_can_end_it(stage: Stage) -> None:
    stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))
    stage.runs("PENDING")
    stage.stub.add_response("cancel_job_run", ASKED, ASKED)

    assert stage.jobs.state(JOB) == JobState(running=True)
    stage.jobs.cancel(JOB)


def test_a_job_whose_run_has_ended_is_started_again_under_another_token(stage: Stage) -> None:
    stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))
    stage.runs("FAILED")
    stage.starts(attempt=2, run="00f1again")

    stage.jobs.start(JOB, SPEC)

    assert stage.noted() == Run(attempt=2, run="00f1again")


def test_a_run_that_emr_forgot_is_unknown_and_started_again(stage: Stage) -> None:
    stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))
    for _ in range(2):
        stage.refuses("get_job_run", "ResourceNotFoundException", 404)
    stage.starts(attempt=2)

    assert stage.jobs.state(JOB) is None
    stage.jobs.start(JOB, SPEC)


def test_every_state_of_the_api_is_running_or_ended(stage: Stage) -> None:
    states = stage.emr.meta.service_model.shape_for("JobRunState").enum
    found = {}
    for state in states:
        stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))
        stage.runs(state)
        told = stage.launcher().state(JOB)
        assert told is not None
        found[state] = told.running

    assert found == {
        "SUBMITTED": True,
        "PENDING": True,
        "SCHEDULED": True,
        "QUEUED": True,
        "RUNNING": True,
        "CANCELLING": True,
        "SUCCESS": False,
        "FAILED": False,
        "CANCELLED": False,
    }


def test_a_state_that_aws_adds_is_no_end(stage: Stage) -> None:
    stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))
    stage.runs("PAUSED")

    assert stage.jobs.state(JOB) == JobState(running=True)


@pytest.mark.parametrize(
    "logs, place",
    [
        (
            "/jetl2/export",
            "CloudWatch log group /jetl2/export, streams /" + INSIDE,
        ),
        (
            "s3://logs/emr/",
            f"s3://logs/emr/{INSIDE}/stderr.gz",
        ),
    ],
)
def test_an_ended_job_says_how_and_where_its_log_is(stage: Stage, logs: str, place: str) -> None:
    stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))
    stage.runs("FAILED", "Job failed,\n  exit code 1")
    target = Target(
        application=APPLICATION, role=ROLE, folder="s3://a/b", logs=logs, timeout_minutes=5
    )

    state = EmrServerless(stage.emr, stage.store, target, 1).state(JOB)

    assert state == JobState(running=False, detail=f"FAILED: Job failed, exit code 1; log: {place}")


def test_a_running_job_is_asked_for_every_few_seconds_only(stage: Stage) -> None:
    stage.starts()
    stage.jobs.start(JOB, SPEC)
    for _ in range(5):
        assert stage.jobs.state(JOB) == JobState(running=True)
        assert not stage.jobs.free()

    stage.now += 3
    stage.runs("SUCCESS")

    assert stage.jobs.free()


@pytest.mark.parametrize(
    "code",
    [
        "ValidationException",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "ConflictException",
    ],
)
def test_a_refused_start_fails_for_good_and_tells_nothing_of_our_account(
    stage: Stage, code: str
) -> None:
    stage.refuses("start_job_run", code)

    with pytest.raises(LaunchError, match=code) as caught:
        stage.jobs.start(JOB, SPEC)

    assert "123456789012" not in str(caught.value)
    assert "123456789012" in str(caught.value.__cause__)


@pytest.mark.parametrize("call", ["start_job_run", "get_job_run", "cancel_job_run"])
@pytest.mark.parametrize(
    "code, status",
    [
        ("ThrottlingException", 429),
        ("InternalServerException", 500),
        ("ServiceUnavailable", 503),
        ("ExpiredTokenException", 403),
    ],
)
def test_what_may_pass_is_told_apart(stage: Stage, call: str, code: str, status: int) -> None:
    stage.refuses(call, code, status)
    if call != "start_job_run":
        stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))

    with pytest.raises(LauncherUnavailable, match=code):
        _call(stage.jobs, call)


@pytest.mark.parametrize("call", ["get_job_run", "cancel_job_run"])
def test_a_right_that_is_missing_for_a_running_job_does_not_end_its_export(
    stage: Stage, call: str
) -> None:
    stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))
    if call == "get_job_run":
        stage.refuses(call, "AccessDeniedException", 403)
        with pytest.raises(LauncherUnavailable, match="AccessDenied"):
            stage.jobs.state(JOB)
    else:
        stage.refuses(call, "AccessDeniedException", 403)
        with pytest.raises(LauncherUnavailable, match="AccessDenied"):
            stage.jobs.cancel(JOB)


@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFoundException"])
def test_cancelling_what_has_ended_is_harmless(stage: Stage, code: str) -> None:
    stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))
    stage.refuses("cancel_job_run", code)

    stage.jobs.cancel(JOB)
    stage.jobs.cancel("another")


def test_a_cancelled_job_takes_up_its_place_until_it_has_ended(stage: Stage) -> None:
    stage.starts()
    stage.jobs.start(JOB, SPEC)
    stage.stub.add_response("cancel_job_run", ASKED, ASKED)
    stage.runs("CANCELLING")

    stage.jobs.cancel(JOB)

    assert not stage.jobs.free()
    stage.now += 3
    stage.runs("CANCELLED")
    assert stage.jobs.free()


def test_a_job_that_another_replica_took_goes_on_and_frees_its_place(stage: Stage) -> None:
    stage.starts()
    stage.jobs.start(JOB, SPEC)

    stage.jobs.let_go(JOB)
    stage.jobs.close()

    assert stage.jobs.free()


@pytest.mark.parametrize(
    "application, told",
    [
        ({"type": "Spark", "state": "STOPPED"}, ""),
        ({"type": "SPARK", "state": "STARTED"}, ""),
        ({"type": "Hive", "state": "STARTED"}, "an application for Hive, expected Spark"),
        ({"type": "Spark", "state": "TERMINATED"}, "the application was deleted"),
    ],
)
def test_the_application_must_be_able_to_run_the_job(
    stage: Stage, application: dict[str, str], told: str
) -> None:
    found = {
        "applicationId": APPLICATION,
        "arn": APPLICATION_ARN,
        "releaseLabel": RELEASE,
        "createdAt": 0,
        "updatedAt": 0,
        **application,
    }
    stage.stub.add_response(
        "get_application", {"application": found}, {"applicationId": APPLICATION}
    )

    if told:
        with pytest.raises(LaunchError, match=told):
            stage.jobs.check()
    else:
        stage.jobs.check()


def test_an_application_that_is_not_there_is_told_with_the_region(stage: Stage) -> None:
    stage.refuses("get_application", "ResourceNotFoundException", 404)
    with pytest.raises(LaunchError, match="no such application in eu-central-1"):
        stage.jobs.check()

    stage.refuses("get_application", "AccessDeniedException", 403)
    with pytest.raises(LaunchError, match="AccessDeniedException"):
        stage.jobs.check()

    stage.refuses("get_application", "InternalServerException", 500)
    with pytest.raises(LauncherUnavailable):
        stage.jobs.check()


def test_emr_that_cannot_be_reached_is_asked_again_later() -> None:
    stage = Stage()
    stage.emr.meta.events.register("before-send", _unreachable)

    for call in ("start_job_run", "get_job_run", "cancel_job_run"):
        with pytest.raises(LauncherUnavailable, match="Could not connect"):
            _call(stage.jobs, call)
        stage.store.put(KEY, encode(Run(attempt=1, run=RUN)))


def test_a_region_that_is_not_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    with pytest.raises(NoRegionError):
        emr_serverless.client()


def _call(jobs: EmrServerless, call: str) -> None:
    match call:
        case "start_job_run":
            jobs.start(JOB, SPEC)
        case "get_job_run":
            jobs.state(JOB)
        case "cancel_job_run":
            jobs.cancel(JOB)


def _unreachable(**_: Any) -> None:
    raise EndpointConnectionError(endpoint_url="https://emr-serverless.invalid")
