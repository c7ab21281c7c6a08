"""Who is calling the gateway, for whom, and who pays: from a request's headers to a `Payee` of the call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from bursar.billing.models import MODEL_RULES, BillingModel, Role, Viewer, may_see_account
from bursar.foundation.ids import pool_account_id, wallet_account_id
from bursar.gateway.asgi import RequestHead
from bursar.gateway.dialects.seam import FaultKind, GatewayFault, invalid
from bursar.gateway.rates import Subject
from bursar.gateway.wiring import Identities
from bursar.identity.authenticator import IdentityUnavailable
from bursar.identity.principal import NO_RATES, Caller, MandateFacts, Person
from bursar.ledger.model import Payer

MOST_TAGS: Final = 16
_TAG: Final = re.compile(r"(?P<name>[A-Za-z0-9_.\-]{1,64})=(?P<value>[^,=]{0,256})")


class CallParty(msgspec.Struct, frozen=True):
    """An authenticated caller, the person the call is for, and the account that pays."""

    key: str
    caller: Caller
    mandate: MandateFacts
    person: Person | None
    payer: Payer
    account_id: UUID

    @property
    def limited(self) -> tuple[Subject, ...]:
        """Who of the call's parties has rates; the narrower one first."""
        if self.caller.rates is NO_RATES and self.mandate.rates is NO_RATES:
            return ()
        found: list[Subject] = []
        if self.caller.rates is not NO_RATES and self.caller.key_id is not None:
            found.append(Subject("key", self.caller.key_id, self.caller.rates))
        if self.mandate.rates is not NO_RATES:
            found.append(Subject("mandate", self.mandate.mandate_id, self.mandate.rates))
        return tuple(found)

    @property
    def viewer(self) -> Viewer:
        return Viewer(Role(self.person.role)) if self.person is not None else Viewer()

    @property
    def sees_account(self) -> bool:
        return _sees_account(self.mandate.billing_model, None if self.person is None else self.person.role)


_PAYERS: Final[Mapping[str, Payer]] = {model.value: rules.payer for model, rules in MODEL_RULES.items()}


@lru_cache(maxsize=64)
def _sees_account(billing_model: str, role: str | None) -> bool:
    return may_see_account(BillingModel(billing_model), Viewer(None if role is None else Role(role)))


async def identify(identities: Identities, head: RequestHead) -> CallParty:
    """The party of a call. Raises `GatewayFault` (401, 403, 404, 400, 503)."""
    key = head.key()
    if key is None:
        raise unknown_key("No API key was given: send 'Authorization: Bearer bur_…'.")
    try:
        return await _identify(identities, key, head.get(b"x-bursar-user"))
    except IdentityUnavailable as error:
        raise GatewayFault(
            FaultKind.LEDGER_UNAVAILABLE,
            "The database cannot be reached, so nobody can be served now.",
            retry_after_seconds=error.retry_after_seconds,
        ) from error


async def _identify(identities: Identities, key: str, named: str | None) -> CallParty:
    caller = await identities.authenticate(key)
    if caller is None:
        raise unknown_key("The API key is unknown, revoked or expired.")
    mandate = caller.mandate
    if mandate is None or caller.kind not in ("user", "service"):
        raise GatewayFault(FaultKind.FORBIDDEN, f"A key of kind '{caller.kind}' makes no AI calls; use a user key.")
    if mandate.status != "active":
        raise GatewayFault(FaultKind.FORBIDDEN, f"The mandate is {mandate.status}.")
    person = caller.person
    if named is not None:
        if caller.kind != "service":
            raise GatewayFault(FaultKind.FORBIDDEN, "Only a service key may name a person by 'x-bursar-user'.")
        found = await identities.person_for(caller, named)
        if not isinstance(found, Person):
            raise GatewayFault(
                FaultKind.UNKNOWN_USER, f"Nobody in this mandate is called '{named[:100]}'.", field="x-bursar-user"
            )
        person = found
    payer = _PAYERS[mandate.billing_model]
    if payer == "pool":
        return CallParty(key, caller, mandate, person, payer, pool_account_id(mandate.mandate_id))
    if person is None:
        raise invalid(
            "x-bursar-user", "In this mandate everybody pays from their own wallet: name the person by 'x-bursar-user'."
        )
    return CallParty(key, caller, mandate, person, payer, wallet_account_id(person.user_id))


def unknown_key(message: str) -> GatewayFault:
    return GatewayFault(FaultKind.UNKNOWN_KEY, message)


def read_tags(head: RequestHead) -> Mapping[str, str] | None:
    """`x-bursar-tags: project=alpha,team=ops`. Raises `GatewayFault` (400)."""
    text = head.get(b"x-bursar-tags")
    if not text:
        return None
    tags: dict[str, str] = {}
    for part in text.split(","):
        match = _TAG.fullmatch(part.strip())
        if match is None:
            raise invalid("x-bursar-tags", "'x-bursar-tags' must look like 'project=alpha,team=ops'.")
        tags[match["name"]] = match["value"].strip()
    if len(tags) > MOST_TAGS:
        raise invalid("x-bursar-tags", f"'x-bursar-tags' may have {MOST_TAGS} tags at most.")
    return tags
