"""What every rule needs: the decision, the available amount, the operator's accounts. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from bursar.foundation.ids import OperatorAccount, operator_account_id
from bursar.ledger.events import Event
from bursar.ledger.model import Account, Outcome, Reason, Rejected, Terms


class Decision(NamedTuple):
    events: tuple[Event, ...]
    outcome: Outcome


def no(reason: Reason, **figures: Any) -> Decision:
    """Nothing happens, and the caller hears why."""
    return Decision((), Rejected(reason, **figures))


def available(account: Account, terms: Terms) -> int:
    """What can still be held: posted credits less debits less what is held, plus the credit line."""
    return account.balance - account.debits_pending + terms.credit_limit_nanos


@lru_cache(maxsize=4096)
def operator(mandate_id: UUID, account: OperatorAccount) -> UUID:
    return operator_account_id(mandate_id, account)
