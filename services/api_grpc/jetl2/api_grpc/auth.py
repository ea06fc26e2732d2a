"""Who calls: API keys, kept as hashes, and what each may do."""

import hashlib
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path

import msgspec

from jetl2.api_grpc.errors import ApiError
from jetl2.schemas.pb import errors_pb2

LOCAL = "local"
CATALOG = "catalog"
EXPORTS = "exports"
_SCHEME = "bearer "

# Of the call that is being answered
principal: ContextVar[str] = ContextVar("principal", default=LOCAL)

# Services that are not listed (health, reflection) are open
scope_by_service: Mapping[str, str] = {
    "jetl2.v1.CatalogService": CATALOG,
    "jetl2.v1.CoverageService": CATALOG,
    "jetl2.v1.BookService": CATALOG,
    "jetl2.v1.ExportService": EXPORTS,
    "google.longrunning.Operations": EXPORTS,
}


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One API key.

    Attributes:
        name: Who has it; stands in the audit log and parts request ids.
        sha256: Of the key, in hex. Keys are random, so a plain hash cannot be turned back.
        scopes: Of catalog and exports; not given: both.
    """

    name: str
    sha256: str
    scopes: tuple[str, ...] = (CATALOG, EXPORTS)


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that the setting `keys` names."""

    keys: tuple[Key, ...]


def read(path: Path | None) -> dict[str, Key] | None:
    """Return the keys by their hash; None when no file is set, and every caller is welcome.

    Raises:
        ValueError: The file cannot be read, or is not as it should be.
    """
    if path is None:
        return None
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=KeyFile).keys
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from error
    for key in keys:
        if unknown := set(key.scopes) - {CATALOG, EXPORTS}:
            message = f"key {key.name}: unknown scopes {', '.join(sorted(unknown))}"
            raise ValueError(message)
    return {key.sha256.lower(): key for key in keys}


def check(keys: Mapping[str, Key] | None, authorization: str, service: str) -> str:
    """Return the name of the caller.

    Args:
        authorization: "Bearer <key>", as sent; "" when nothing was.

    Raises:
        ApiError: No key, an unknown one, or one without the scope of the service.
    """
    if keys is None:
        return LOCAL
    if not authorization:
        message = "no API key: send metadata authorization = 'Bearer <key>'"
        raise ApiError(errors_pb2.ERROR_REASON_API_KEY_MISSING, message)
    secret = authorization[len(_SCHEME) :] if authorization.lower().startswith(_SCHEME) else ""
    key = keys.get(hashlib.sha256(secret.encode()).hexdigest()) if secret else None
    if key is None:
        message = "the API key is not known, or not sent as 'Bearer <key>'"
        raise ApiError(errors_pb2.ERROR_REASON_API_KEY_INVALID, message)
    scope = scope_by_service[service]
    if scope not in key.scopes:
        message = f"this API key has no scope {scope!r}"
        raise ApiError(errors_pb2.ERROR_REASON_SCOPE_MISSING, message, scope=scope)
    return key.name
