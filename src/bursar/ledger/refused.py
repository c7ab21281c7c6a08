"""What was refused just now: equal or larger demands are refused from memory, and counted once a second.

A leaked key that hammers an empty pool must cost the others nothing: no lock, no commit, no log line a call.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from bursar.ledger.books import InMandate
from bursar.ledger.model import Reason, Refusal, Rejected, Reserve

MAX_ACCOUNTS: Final = 10_000
REMEMBERED: Final = frozenset({Reason.BALANCE_EXHAUSTED, Reason.REQUEST_TOO_LARGE, Reason.LIMIT_REACHED})
"""Not `FUNDS_HELD`: held money comes back at any moment, and whoever wants it waits for it in line."""

_Scopes = tuple[UUID | None, UUID | None, str | None, str]


class RefusalMemory:
    """Per account and everything that limits depend on (user, key, model), so that the reason is the same."""

    def __init__(self, remember_seconds: float) -> None:
        self._remember_seconds = remember_seconds
        self._refused: dict[InMandate, dict[_Scopes, tuple[int, Rejected, float]]] = {}
        self._counts: dict[tuple[InMandate, _Scopes], Refusal] = {}

    def note(self, command: Reserve, rejected: Rejected, now: float) -> None:
        if rejected.reason not in REMEMBERED:
            return
        if len(self._refused) >= MAX_ACCOUNTS:
            self._refused.clear()
        scopes = self._refused.setdefault((command.mandate_id, command.account_id), {})
        if len(scopes) >= MAX_ACCOUNTS:
            scopes.clear()
        scopes[_scopes(command)] = (command.minimum_nanos, rejected, now + self._remember_seconds)

    def find(self, command: Reserve, now: float) -> Rejected | None:
        """The refusal that still holds for this demand; it is counted."""
        account = (command.mandate_id, command.account_id)
        scopes = self._refused.get(account)
        if scopes is None:
            return None
        key = _scopes(command)
        found = scopes.get(key)
        if found is None or command.minimum_nanos < found[0]:
            return None
        required, rejected, until = found
        if now >= until:
            del scopes[key]
            if not scopes:
                del self._refused[account]
            return None
        again = self._counts.get((account, key))
        self._counts[account, key] = Refusal(
            command.mandate_id,
            command.account_id,
            command.payer,
            rejected.reason,
            command.minimum_nanos,
            rejected.available_nanos,
            command.user_id,
            command.key_id,
            (again.calls if again is not None else 0) + 1,
        )
        if command.minimum_nanos == required:
            return rejected
        return Rejected(
            rejected.reason, command.minimum_nanos, rejected.available_nanos, rejected.held_nanos, rejected.limit
        )

    def forget(self, account: InMandate) -> None:
        """The account has changed: what was refused may be affordable now."""
        self._refused.pop(account, None)

    def forget_mandate(self, mandate_id: UUID) -> None:
        """Its limits have changed, which may concern any account."""
        for account in [account for account in self._refused if account[0] == mandate_id]:
            del self._refused[account]

    def take_counts(self) -> list[Refusal]:
        """Refusals answered from memory since the last time."""
        counts = list(self._counts.values())
        self._counts.clear()
        return counts

    def give_back(self, counts: list[Refusal]) -> None:
        """They could not be told: keep them for the next time."""
        for refusal in counts:
            scopes = (refusal.user_id, refusal.key_id, None, str(refusal.reason))
            key = ((refusal.mandate_id, refusal.account_id), scopes)
            again = self._counts.get(key)
            self._counts[key] = msgspec.structs.replace(refusal, calls=refusal.calls + (again.calls if again else 0))


def _scopes(command: Reserve) -> _Scopes:
    return command.user_id, command.key_id, command.model, command.billing_model
