"""A person's short-lived stand-in for a key, made by this installation for its own calls to its own gateway.

It is signed, not stored: every worker of the installation knows it by BURSAR_SECRET_KEY, nobody else can make one. It
names a mandate and a user, who are looked up as they are at that moment: whoever has left, or whose mandate is
suspended, calls no model by it. Only the gateway takes it; to the management API it is a key that never was.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from bursar.foundation.clock import Clock, SystemClock
from bursar.foundation.secrets import LinkError, Secrets
from bursar.identity.authenticator import Authenticator, Unknown
from bursar.identity.lookup import as_uuid
from bursar.identity.principal import Caller, Person

PREFIX: Final = "burint_"
_PURPOSE: Final = "internal-principal"
LIFETIME: Final = timedelta(minutes=15)
"""Longer than a call may last (`timeout_seconds` of an upstream), because a long answer asks for its key again."""
_LONGEST: Final = 512


class InternalTokens:
    """Makes and reads tokens."""

    def __init__(self, secrets: Secrets, clock: Clock | None = None) -> None:
        self._secrets = secrets
        self._clock = clock or SystemClock()

    def make(self, mandate_id: UUID, user_id: UUID) -> str:
        """A token that is good for `LIFETIME`."""
        content = {"m": str(mandate_id), "u": str(user_id)}
        return PREFIX + self._secrets.sign(_PURPOSE, content, expires_at=self._clock.now() + LIFETIME)

    def read(self, text: str) -> tuple[UUID, UUID] | None:
        """Mandate and user; `None` for what is forged, too old, or something else."""
        if not text.startswith(PREFIX) or len(text) > _LONGEST:
            return None
        try:
            content = self._secrets.verify(_PURPOSE, text[len(PREFIX) :], now=self._clock.now())
        except LinkError:
            return None
        mandate_id, user_id = as_uuid(str(content.get("m"))), as_uuid(str(content.get("u")))
        return None if mandate_id is None or user_id is None else (mandate_id, user_id)


class GatewayIdentities:
    """Who calls the gateway: keys as everywhere (`Authenticator`), and internal tokens, which it alone takes."""

    def __init__(self, authenticator: Authenticator, tokens: InternalTokens) -> None:
        self._authenticator = authenticator
        self._tokens = tokens

    async def authenticate(self, presented_key: str) -> Caller | None:
        """The caller, or `None`. Raises `IdentityUnavailable`."""
        if not presented_key.startswith(PREFIX):
            return await self._authenticator.authenticate(presented_key)
        named = self._tokens.read(presented_key)
        if named is None:
            return None
        mandate_id, user_id = named
        mandate = await self._authenticator.mandate(mandate_id)
        person = await self._authenticator.find_person(mandate_id, str(user_id))
        if mandate is None or not isinstance(person, Person) or person.user_id != user_id:
            return None
        return Caller("user", mandate, None, None, person)

    async def person_for(self, caller: Caller, x_bursar_user: str) -> Person | Unknown:
        return await self._authenticator.person_for(caller, x_bursar_user)
