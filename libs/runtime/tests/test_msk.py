"""Login to MSK by IAM, without AWS: what is signed, with what, and for how long."""

import base64
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from jetl2.runtime import kafka, msk


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in msk.REGIONS:
        monkeypatch.delenv(name, raising=False)
    kafka._properties.cache_clear()
    yield
    kafka._properties.cache_clear()


def test_a_token_is_a_signed_url_for_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not-a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")

    text, ends = msk.properties()["oauth_cb"]("")

    url = urlsplit(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    asked = parse_qs(url.query)
    assert asked["Action"] == ["kafka-cluster:Connect"]
    assert asked["X-Amz-Credential"][0].startswith("not-a-key/")
    assert "/eu-west-1/kafka-cluster/" in asked["X-Amz-Credential"][0]
    assert 600 < ends - time.time() <= 900


def test_every_client_logs_in_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JETL2_KAFKA_LOGIN", "msk-iam")
    monkeypatch.setenv("JETL2_KAFKA_PROPERTIES", '{"socket.timeout.ms": 9000}')
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    found = kafka._properties()

    assert found["security.protocol"] == "SASL_SSL"
    assert found["sasl.mechanisms"] == "OAUTHBEARER"
    assert found["socket.timeout.ms"] == 9000
    assert callable(found["oauth_cb"])


def test_a_missing_region_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JETL2_KAFKA_LOGIN", "msk-iam")

    with pytest.raises(SystemExit) as ended:
        kafka.check()

    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "JETL2_KAFKA_LOGIN" in told
    assert "set AWS_REGION" in told
