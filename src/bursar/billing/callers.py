"""What billing needs to know of an authenticated caller, from `identity`'s words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from bursar.billing.models import BillingFacts, BillingModel, Language, Role, Viewer
from bursar.billing.texts import choose_language
from bursar.identity.principal import Caller, CallerKind, MandateFacts

_ROLE_WITHOUT_PERSON: Final[Mapping[CallerKind, Role | None]] = {
    "root": Role.OWNER,
    "admin": Role.OWNER,
    "service": None,
    "user": None,
    "session": None,
}
"""Who is behind a key that stands for nobody in particular: those who manage the mandate may see what an owner sees."""


def viewer_of(caller: Caller) -> Viewer:
    """Who reads a refusal: the person that the call is for, else what the key is. An operator may see all."""
    if caller.operates:
        return Viewer(Role.OWNER)
    if caller.person is not None:
        return Viewer(Role(caller.person.role))
    return Viewer(_ROLE_WITHOUT_PERSON[caller.kind])


def billing_facts(mandate: MandateFacts, *, notified_at: datetime | None = None) -> BillingFacts:
    """The mandate as a refusal speaks of it; `notified_at` is the current shortage's of the payer."""
    return BillingFacts(
        mandate_id=mandate.mandate_id,
        name=mandate.name,
        billing_model=BillingModel(mandate.billing_model),
        currency=mandate.currency,
        time_zone=mandate.time_zone,
        has_finance_contacts=bool(mandate.notify_emails),
        tell_finance_about_wallets=mandate.notify_wallet_exhausted,
        notified_at=notified_at,
    )


def language_for(caller: Caller, accept_language: str | None) -> Language:
    """The language of the text: `Accept-Language`, then the person's, then the mandate's."""
    return choose_language(
        accept_language,
        caller.person.language if caller.person is not None else None,
        caller.mandate.language if caller.mandate is not None else None,
    )
