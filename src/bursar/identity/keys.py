"""The form of a key: `bur_`, the mandate, 256 random bits and a checksum. Pure, but for the randomness of a new one.

The mandate stands in the key so that a look-up knows where to go; the checksum tells a mistyped key from an unknown one
without asking anybody. A key is random, therefore a plain SHA-256 is enough to keep it by.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from typing import Final, NamedTuple
from uuid import UUID

KEY_PREFIX: Final = "bur_"
ROOT_KEY_PREFIX: Final = "burroot_"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH: Final = 43
"""Base-62 digits of 256 bits."""
_CHECKSUM_LENGTH: Final = 6
_SHOWN_OF_SECRET: Final = 6
_FORM: Final = re.compile(
    rf"bur_(?P<mandate>[0-9a-f]{{32}})_[0-9A-Za-z]{{{_SECRET_LENGTH}}}(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


class NewKey(NamedTuple):
    text: str
    """Shown once, never stored."""
    secret_hash: bytes
    prefix: str
    """How the key begins: enough to recognise it by, far too little to guess the rest."""


class ParsedKey(NamedTuple):
    mandate_id: UUID
    secret_hash: bytes


def make_key(mandate_id: UUID) -> NewKey:
    """A new key of a mandate."""
    body = f"{KEY_PREFIX}{mandate_id.hex}_{_random_digits()}"
    text = body + _checksum(body)
    return NewKey(text, key_hash(text), body[: len(KEY_PREFIX) + 33 + _SHOWN_OF_SECRET])


def parse_key(text: str) -> ParsedKey | None:
    """The mandate and the hash of a key; `None` for what cannot be one (form or checksum)."""
    match = _FORM.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != match["checksum"]:
        return None
    return ParsedKey(UUID(hex=match["mandate"]), key_hash(text))


def make_root_key() -> str:
    """A new key of the operator; it belongs to no mandate."""
    body = f"{ROOT_KEY_PREFIX}{_random_digits()}"
    return body + _checksum(body)


def key_hash(text: str) -> bytes:
    """SHA-256 of the whole text: what a key is kept and looked up by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def is_same_hash(one: bytes, other: bytes) -> bool:
    """In constant time."""
    return hmac.compare_digest(one, other)


def _random_digits() -> str:
    return _base62(int.from_bytes(secrets.token_bytes(32)), _SECRET_LENGTH)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
