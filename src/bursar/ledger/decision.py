"""What every rule needs: the decision, the available amount, the operator's accounts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

from bursar.foundation.ids import OPERATOR_ACCOUNTS, OperatorAccount, operator_account_id
from bursar.ledger.events import Event
from bursar.ledger.model import Account, AccountKind, Outcome, Reason, Rejected, Terms

HIGHEST_NANOS: Final = 2**63 - 1
"""What a column can hold. No sum of an account ever gets there, because a command that would lead there is refused."""

Place = tuple[UUID, UUID] | tuple[UUID, str, str]
"""Where money is waited for: an account (mandate, account), or a limit (mandate, scope, scope id)."""


class Decision(NamedTuple):
    events: tuple[Event, ...]
    outcome: Outcome
    place: Place | None = None
    """With `FUNDS_HELD`: whose held money it is."""


def no(reason: Reason, **figures: Any) -> Decision:
    """Nothing happens, and the caller hears why."""
    return Decision((), Rejected(reason, **figures))


def credit_line(account: Account, terms: Terms) -> int:
    """How far below zero the account may go. Only the pool has a line: a wallet is prepaid under any billing model."""
    return terms.credit_limit_nanos if account.kind == "pool" else 0


def available(account: Account, terms: Terms) -> int:
    """What can still be held: posted credits less debits less what is held, plus the credit line."""
    return account.credits_posted - account.debits_posted - account.debits_pending + credit_line(account, terms)


def is_unlimited(account: Account, terms: Terms) -> bool:
    """Whether nothing is refused for money. That, too, is the pool's."""
    return terms.billing_model == "UNLIMITED" and account.kind == "pool"


@lru_cache(maxsize=4096)
def operator(mandate_id: UUID, account: OperatorAccount) -> UUID:
    return operator_account_id(mandate_id, account)


@lru_cache(maxsize=4096)
def operator_kinds(mandate_id: UUID) -> Mapping[UUID, AccountKind]:
    """The operator's accounts of a mandate, which neither pay nor are paid into by anybody's command."""
    return MappingProxyType({operator(mandate_id, kind): kind for kind in OPERATOR_ACCOUNTS})
