"""Which account pays for a call. Pure."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from bursar.billing.models import MODEL_RULES, BillingModel
from bursar.foundation.ids import pool_account_id, wallet_account_id
from bursar.identity.principal import MandateFacts, Person
from bursar.ledger.model import Payer


class PayingAccount(NamedTuple):
    account_id: UUID
    payer: Payer


def paying_account(mandate: MandateFacts, person: Person | None) -> PayingAccount | None:
    """The account that a call is charged to; `None` where wallets pay and nobody is named."""
    payer = MODEL_RULES[BillingModel(mandate.billing_model)].payer
    if payer == "pool":
        return PayingAccount(pool_account_id(mandate.mandate_id), payer)
    return None if person is None else PayingAccount(wallet_account_id(person.user_id), payer)
