"""The README's table is that of the settings, and wrong ones are refused."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from jetl2.api_grpc.settings import PREFIX, Settings
from jetl2.runtime.settings import table

README = Path(__file__).parent.parent / "README.md"
PLACES = {"lake": "s3://lake", "downloads": "s3://downloads/prefix"}


def test_the_readme_lists_the_settings_with_their_defaults() -> None:
    found = re.findall(
        rf"^\| `({PREFIX}\w+)` \| (?:`(.*?)`)? ?\|", README.read_text(), re.MULTILINE
    )

    assert found == [(name, default) for name, default, _ in table(Settings, PREFIX)]


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"lake": "/tmp/lake"}, "lake"),
        ({"downloads": "s3://"}, "downloads"),
        ({"port": 70000}, "port"),
        ({"max_jobs": 0}, "max_jobs"),
        ({"host": "0.0.0.0"}, "KEYS must name a key file"),
        ({"tls_key": "key.pem"}, "must be set together"),
        ({"launcher": "emr"}, "launcher"),
        (
            {"launcher": "emr-serverless"},
            "needs JETL2_API_GRPC_EMR_APPLICATION, JETL2_API_GRPC_EMR_R",
        ),
        ({"emr_application": "arn:aws:emr"}, "expected the id of an application"),
        ({"emr_role": "arn:aws:iam::12:role/x"}, "expected the ARN of an IAM role"),
        ({"emr_job": "s3://artifacts"}, "expected the s3:// URL of a folder"),
        ({"emr_logs": "two words"}, "expected a CloudWatch log group or an s3:// URL"),
        ({"emr_conf": {"executor.cores": "4"}}, "begin with spark.; found 'executor.cores'"),
        ({"emr_timeout_minutes": 4}, "emr_timeout_minutes"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(**(PLACES | changes))  # type: ignore[arg-type]


def test_emr_serverless_needs_four_settings() -> None:
    emr = {
        "launcher": "emr-serverless",
        "emr_application": "00f1abcd2efg3h01",
        "emr_role": "arn:aws-cn:iam::123456789012:role/path/jetl2-export",
        "emr_job": "s3://artifacts/export/0.1.0",
    }

    for logs in ("/jetl2/export", "s3://logs", "s3://logs/emr/"):
        assert Settings(**PLACES, **emr, emr_logs=logs).emr_logs == logs  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="needs JETL2_API_GRPC_EMR_LOGS"):
        Settings(**PLACES, **emr)  # type: ignore[arg-type]


def test_other_addresses_than_loopback_are_served_with_keys() -> None:
    settings = Settings(**PLACES, host="0.0.0.0", keys=Path("keys.json"))  # type: ignore[arg-type]

    assert settings.host == "0.0.0.0"
