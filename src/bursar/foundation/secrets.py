"""Secrets at rest and signed links, both from BURSAR_SECRET_KEY.

Several keys may be given, for rotation: the first one encrypts and signs, all of them decrypt and verify.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MINIMUM_KEY_LENGTH: Final = 32
SECRET_KEY_FILE: Final = "secret.key"


class SecretsError(ValueError):
    """A stored secret that none of the keys opens."""


class LinkError(ValueError):
    """A signed link that is not acceptable; `expired` tells an old one from a forged one."""

    def __init__(self, message: str, *, expired: bool) -> None:
        super().__init__(message)
        self.expired = expired


class Secrets:
    """Encrypts and signs. Keys are texts of at least 32 characters; what is used is derived from them (HKDF)."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or any(len(key) < MINIMUM_KEY_LENGTH for key in keys):
            raise ValueError(f"secret keys have at least {MINIMUM_KEY_LENGTH} characters")
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key, "encrypt"))) for key in keys])
        self._signing_keys = [_derive(key, "sign") for key in keys]

    def __repr__(self) -> str:
        return f"Secrets({len(self._signing_keys)} keys)"

    def encrypt(self, plain: str) -> str:
        return self._fernet.encrypt(plain.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Raises `SecretsError` if no key fits or the text was changed."""
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken as error:
            raise SecretsError("the stored secret cannot be read with the present BURSAR_SECRET_KEY") from error

    def encrypt_again(self, encrypted: str) -> str:
        """The same secret under the first key: run over everything stored to retire an old key."""
        try:
            return self._fernet.rotate(encrypted).decode()
        except InvalidToken as error:
            raise SecretsError("the stored secret cannot be read with the present BURSAR_SECRET_KEY") from error

    def sign(self, purpose: str, content: Mapping[str, object], *, expires_at: datetime) -> str:
        """A URL-safe text that carries `content` readably and proves who wrote it, for one purpose, until then."""
        body = _encode(orjson.dumps({"e": int(expires_at.timestamp()), "c": dict(content)}))
        return f"{body}.{_encode(_mac(self._signing_keys[0], purpose, body))}"

    def verify(self, purpose: str, signed: str, *, now: datetime) -> dict[str, Any]:
        """The content of `sign`. Raises `LinkError` if forged, for another purpose, or past its expiry."""
        body, _, signature = signed.partition(".")
        given = _decode(signature)
        if not any(hmac.compare_digest(_mac(key, purpose, body), given) for key in self._signing_keys):
            raise LinkError("the link is not valid", expired=False)
        parsed = orjson.loads(_decode(body))
        if now.timestamp() >= parsed["e"]:
            raise LinkError("the link has expired", expired=True)
        content: dict[str, Any] = parsed["c"]
        return content


def secret_keys(configured: Sequence[str], data_dir: Path) -> tuple[str, ...]:
    """The configured keys; without any, the one in the data directory, which is made on first use (mode 0600)."""
    if configured:
        return tuple(configured)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / SECRET_KEY_FILE
    if not path.exists():
        _create_once(path, secrets.token_urlsafe(48))
    keys = tuple(path.read_text().split())
    if not keys or any(len(key) < MINIMUM_KEY_LENGTH for key in keys):
        raise SecretsError(f"{path} holds no usable key: restore it, or what it encrypted is lost")
    return keys


def _create_once(path: Path, text: str) -> None:
    """Complete or not at all, and never over an existing file, whoever else does the same at this moment."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".secret")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _derive(key: str, use: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"bursar {use} 1".encode()).derive(key.encode())


def _mac(key: bytes, purpose: str, body: str) -> bytes:
    return hmac.digest(key, f"{purpose}\n{body}".encode(), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
