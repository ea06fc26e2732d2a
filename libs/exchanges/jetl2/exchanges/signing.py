"""Ed25519 signatures for logons."""

import base64
import binascii


def ed25519(key: str, message: bytes) -> str:
    """Return the signature in base64.

    Args:
        key: The private key, in PEM or only the base64 between its first and last line.

    Raises:
        ValueError: It is no such key; what it is instead is not said.
    """
    # only who logs on signs, and these take a while to import
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415

    body = "".join(line for line in key.split("\n") if not line.startswith("-----"))
    try:
        private = load_der_private_key(base64.b64decode("".join(body.split())), None)
    except (ValueError, TypeError, binascii.Error):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        problem = "expected a private Ed25519 key in PEM"
        raise ValueError(problem)  # noqa: TRY004 - a wrong value of a setting
    return base64.b64encode(private.sign(message)).decode()
