"""Ed25519 signatures, as RFC 8032 section 5.1 defines them.

For logons, one each connection: exact and slow, and not hardened against one who can measure the
time that it takes on this very machine.
"""

import base64
import hashlib

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P

# Extended coordinates: X, Y, Z, T with x = X/Z, y = Y/Z, x*y = T/Z
_Point = tuple[int, int, int, int]
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)

# What a private key's 32 bytes follow in its PKCS #8 form
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def ed25519(key: str, message: bytes) -> str:
    """Return the signature in base64.

    Args:
        key: The private key, in PEM or only the base64 between its first and last line.

    Raises:
        ValueError: It is no such key; what it is instead is not said.
    """
    body = "".join(line for line in key.split("\n") if not line.startswith("-----"))
    der = base64.b64decode("".join(body.split()))
    if not der.startswith(_PKCS8) or len(der) != len(_PKCS8) + 32:
        problem = "expected a private Ed25519 key in PEM"
        raise ValueError(problem)
    return base64.b64encode(sign(der[len(_PKCS8) :], message)).decode()


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the 64 bytes of a signature.

    Args:
        seed: The 32 bytes of the private key.
    """
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public = _encoded(_times(scalar, _BASE))
    nonce = _hash(digest[32:] + message)
    first = _encoded(_times(nonce, _BASE))
    second = (nonce + _hash(first + public + message) * scalar) % _ORDER
    return first + second.to_bytes(32, "little")


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.sha512(content).digest(), "little") % _ORDER


def _times(scalar: int, point: _Point) -> _Point:
    found: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point = _add(point, point)
        scalar >>= 1
    return found


def _add(left: _Point, right: _Point) -> _Point:
    a = (left[1] - left[0]) * (right[1] - right[0]) % _P
    b = (left[1] + left[0]) * (right[1] + right[0]) % _P
    c = 2 * left[3] * right[3] * _D % _P
    d = 2 * left[2] * right[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _encoded(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
