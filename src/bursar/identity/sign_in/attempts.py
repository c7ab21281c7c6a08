"""Sign-ins under way: begun here, continued at the issuer, taken up once when somebody comes back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

import orjson

from bursar.foundation.database import Connection
from bursar.foundation.secrets import Secrets, SecretsError
from bursar.identity.sign_in.tokens import hash_of

LONGEST: Final = timedelta(minutes=10)

_NEW: Final = """
    INSERT INTO sign_in_attempt (state_hash, browser_hash, provider, sealed, expires_at)
    VALUES ($1, $2, $3, $4, now() + $5::interval)"""

_TAKE: Final = """
    DELETE FROM sign_in_attempt WHERE state_hash = $1
    RETURNING provider, browser_hash, sealed, expires_at > now() AS is_in_time"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What has to be known when somebody comes back."""

    nonce: str
    verifier: str
    return_to: str
    one_time: str | None
    """The invitation or operator's link that is used by signing in."""


async def begin(
    connection: Connection, secrets: Secrets, *, state: str, browser: str, provider: str, attempt: Attempt
) -> None:
    sealed = secrets.encrypt(orjson.dumps(asdict(attempt)).decode())
    await connection.execute(_NEW, hash_of(state), hash_of(browser), provider, sealed, LONGEST)


async def take(connection: Connection, secrets: Secrets, *, state: str, browser: str, provider: str) -> Attempt | None:
    """The attempt, for the first who asks; `None` unless it is this browser's, with this provider, and in time."""
    row = await connection.fetchrow(_TAKE, hash_of(state))
    if row is None or not row["is_in_time"]:
        return None
    if row["provider"] != provider or bytes(row["browser_hash"]) != hash_of(browser):
        return None
    try:
        return Attempt(**orjson.loads(secrets.decrypt(row["sealed"])))
    except SecretsError:
        return None
