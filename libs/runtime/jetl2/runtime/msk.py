"""Login to Amazon MSK by IAM: who the process is to AWS, it is to Kafka.

A token is a URL signed with the credentials of the standard AWS chain (pod identity, instance role,
environment); it lives for 15 minutes. librdkafka asks for the next one in time, from a thread of
its own, so that a client that does nothing for long stays logged in.
"""

import os
from collections.abc import Callable
from typing import Any

# Region, in the order in which AWS' own clients look for it
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")

# A region -> the token and when it ends, in ms since the epoch
Sign = Callable[[str], tuple[str, int]]


class NoRegionError(Exception):
    """The environment names no region."""


def properties(sign: Sign | None = None) -> dict[str, Any]:
    """Return the librdkafka properties by which a client logs in.

    Args:
        sign: Signs a token; None: AWS' own signer.

    Raises:
        NoRegionError: None of `REGIONS` is set.
    """
    region = next((os.environ[name] for name in REGIONS if os.environ.get(name)), "")
    if not region:
        message = f"the cluster's region is not known: set {REGIONS[0]}"
        raise NoRegionError(message)

    def token(_config: str) -> tuple[str, float]:
        text, ends_ms = (sign or _sign)(region)
        return text, ends_ms / 1000

    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "OAUTHBEARER",
        "oauth_cb": token,
    }


def _sign(region: str) -> tuple[str, int]:
    # AWS' libraries take a third of a second to import, and most clients never need them
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415

    text, ends_ms = MSKAuthTokenProvider.generate_auth_token(region)
    return str(text), int(ends_ms)
