"""The scheduler starts landing as the API starts exports: the same request, said in two languages.

The files are what Terraform's own tests hold the modules to (infra/terraform/modules/*/tests).
"""

import json
from typing import Any

import pytest
from botocore import session
from botocore.validate import validate_parameters

from jetl2.api_grpc import emr_request
from jetl2.api_grpc.emr_request import Target
from jetl2.devstack import folders

pytestmark = pytest.mark.integration

MODULES = folders.root() / "infra" / "terraform" / "modules"


def _runs() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MODULES / "emr/tests/runs.json").read_text())
    return found


def _scheduled() -> dict[str, Any]:
    """Return what the scheduler asks for, in the spelling of boto3."""
    text = (MODULES / "scheduler/tests/landing.json").read_text()
    asked: dict[str, Any] = _camel(json.loads(text))
    return asked


def _target(name: str, **changes: Any) -> Target:
    run = _runs()[name]
    fields: dict[str, Any] = {
        "application": "app1",
        "role": "arn:aws:iam::123456789012:role/landing",
        "folder": run["folder"],
        "logs": "/jetl2-test/landing",
        "timeout_minutes": 60,
        "name": name,
    }
    return Target(**(fields | changes))


@pytest.mark.parametrize("name", ["export", "landing"])
def test_a_job_runs_with_the_properties_that_terraform_makes(name: str) -> None:
    run = _runs()[name]
    own = {
        key: value
        for key, value in run["properties"].items()
        # What belongs to this job: its connectors and settings
        if key == "spark.jars" or "driverEnv.JETL2_" in key
    }

    request: Any = emr_request.start(_target(name, conf=own), "job", 1, [])

    (defaults,) = request["configurationOverrides"]["applicationConfiguration"]
    assert defaults == {"classification": "spark-defaults", "properties": run["properties"]}
    assert request["jobDriver"]["sparkSubmit"]["entryPoint"] == run["entry_point"]


def test_the_scheduler_asks_for_what_the_api_would() -> None:
    scheduled = _scheduled()
    request: Any = emr_request.start(
        _target("landing", folder="s3://artifacts/landing/1.2.0"), "job", 1, []
    )

    # What differs on purpose, and what the test above compares
    for asked in (request, scheduled):
        del asked["clientToken"], asked["name"]
        (defaults,) = asked["configurationOverrides"]["applicationConfiguration"]
        del defaults["properties"]
    assert scheduled == request


def test_what_the_scheduler_asks_for_is_a_request_of_the_api() -> None:
    model = session.get_session().get_service_model("emr-serverless")
    shape: Any = model.operation_model("StartJobRun").input_shape

    validate_parameters(_scheduled(), shape)


def _camel(value: Any) -> Any:
    """Return a document with the names of the API, whose words the scheduler begins in capitals."""
    if isinstance(value, list):
        return [_camel(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        name[0].lower() + name[1:]: inner if name == "Properties" else _camel(inner)
        for name, inner in value.items()
    }
