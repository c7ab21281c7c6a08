"""The code of a voucher: 135 random bits and a checksum, in groups that people can type. Pure, but for new randomness.

Crockford's base 32: capital letters and digits without I, L, O and U; what looks alike is read alike.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final, NamedTuple

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_LENGTH: Final = 27
_CHECKSUM_LENGTH: Final = 3
_GROUP: Final = 5
LENGTH: Final = _RANDOM_LENGTH + _CHECKSUM_LENGTH
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": "", "\u00a0": "", "–": "", "_": ""})


class NewCode(NamedTuple):
    text: str
    """Shown once, never stored."""
    code_hash: bytes
    hint: str
    """The first group: enough to recognise a voucher by; 110 bits are left to guess."""


def make_code() -> NewCode:
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    digits = body + _checksum(body)
    groups = [digits[start : start + _GROUP] for start in range(0, LENGTH, _GROUP)]
    return NewCode("-".join(groups), _hash(digits), groups[0])


def read_code(text: str) -> bytes | None:
    """The hash of a code as people type it; `None` for what cannot be one (length, letters, checksum)."""
    digits = text.upper().translate(_READ_AS)
    if len(digits) != LENGTH or any(digit not in _ALPHABET for digit in digits):
        return None
    return _hash(digits) if _checksum(digits[:_RANDOM_LENGTH]) == digits[_RANDOM_LENGTH:] else None


def _hash(digits: str) -> bytes:
    """A code is random, so it needs no slow hash."""
    return hashlib.sha256(b"bursar voucher " + digits.encode()).digest()


def _checksum(body: str) -> str:
    number = int.from_bytes(hashlib.sha256(body.encode()).digest()[:4])
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(_CHECKSUM_LENGTH))
