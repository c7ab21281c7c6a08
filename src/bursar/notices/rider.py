"""Rides in the transaction of a denial or a top-up: keeps the alert, claims the slot, writes the outbox.

Cheap where it is hot: two statements for a batch of refusals, however many accounts and calls it has, whether they add
to known shortages, begin new ones or claim slots; a few more where money has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import structlog

from bursar.foundation.database import Connection, planned_for_many
from bursar.foundation.ids import new_id
from bursar.ledger.model import Funding, Reason, Refusal
from bursar.notices import again, store
from bursar.notices.figures import Figures
from bursar.notices.inbox import Item
from bursar.notices.kinds import EXHAUSTED, REFUSAL_KINDS
from bursar.notices.rules import Alert, Refused, Step, Verdict, funded, refused, still_short
from bursar.notices.store import AlertKey, RefusedUser, Watched

MANY: Final = 64
"""Accounts in a batch, beyond which planning anew is cheaper than a plan that compares each with each."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Batch:
    """What a batch means for one account: perhaps money, then perhaps refusals (the ledger decides in this order)."""

    funded: bool = False
    refusal: Refused | None = None
    users: set[UUID] = field(default_factory=set)

    def add(self, refusal: Refusal) -> None:
        before = self.refusal
        known = refusal.user_id is not None or refusal.key_id is not None or before is None
        self.refusal = Refused(
            calls=refusal.calls + (before.calls if before else 0),
            required_nanos=refusal.required_nanos,
            available_nanos=refusal.available_nanos,
            user_id=refusal.user_id if known or before is None else before.user_id,
            key_id=refusal.key_id if known or before is None else before.key_id,
        )
        if refusal.user_id is not None:
            self.users.add(refusal.user_id)


class NoticeRider:
    """The ledger's `Rider`. What it raises is undone with its savepoint: never the money's or the user's problem."""

    wants: frozenset[Reason] = frozenset(reason for kind in REFUSAL_KINDS for reason in kind.reasons)

    async def ride(
        self, connection: Connection, refusals: Sequence[Refusal], fundings: Sequence[Funding], at: datetime
    ) -> None:
        """Called inside the batch's transaction, after the money is written. `at` is the transaction's time."""
        batches = _gather(refusals, fundings)
        if not batches:
            return
        if len(batches) > MANY:
            await planned_for_many(connection)
        refusing = {key for key, batch in batches.items() if batch.refusal is not None}
        watched = await store.watch(connection, batches, begins=refusing)
        steps: dict[AlertKey, Step] = {}
        withdrawn: list[AlertKey] = []
        users: list[RefusedUser] = []
        for key in sorted(batches):
            batch, account = batches[key], watched.get(key)
            if account is None or not account.exists:
                continue
            alert = account.alert
            if batch.funded:
                step = funded(alert, at)
                if step.verdict is Verdict.RESOLVED:
                    withdrawn.append(key)
                    steps[key] = step
                    alert = step.alert
            if batch.refusal is None or not _counts(account, alert, batch.refusal):
                continue
            step = refused(alert, batch.refusal, account.policy, at, shortage_id=new_id(), slot_id=new_id())
            steps[key] = step
            shortage_id = step.alert.shortage_id
            if shortage_id is not None:
                users.extend(RefusedUser(key, user_id, shortage_id) for user_id in batch.users)
        await apply(connection, list(steps.values()), withdrawn, at, users)


async def apply(
    connection: Connection,
    steps: Sequence[Step],
    withdrawn: Iterable[AlertKey],
    at: datetime,
    users: Iterable[RefusedUser] = (),
    facts: Mapping[AlertKey, Mapping[str, Any]] = MappingProxyType({}),
) -> None:
    """Write what the rules said: rows that are withdrawn, then alerts with the rows that tell of them."""
    if not steps:
        return
    withdrawn = list(withdrawn)
    # Before anything is queued: in one batch a shortage may end and another one begin.
    await store.withdraw(connection, withdrawn, at)
    items = [_item(step.alert, step.user_id, facts) for step in steps if step.verdict is Verdict.CLAIMED or step.warn]
    told = store.Told([(step.alert, step.recipients) for step in steps], items, facts)
    await store.write(connection, [step.alert for step in steps], at, users, told)
    over = {store.key_of(step.alert) for step in steps if not step.alert.is_open and step.alert.kind == EXHAUSTED.name}
    await again.follow_up(connection, sorted(over.intersection(withdrawn)), at)
    for step in steps:
        if step.warn and step.user_id is None:
            log.warning(
                "nobody_to_notify",
                mandate_id=str(step.alert.mandate_id),
                kind=step.alert.kind,
                setting="notifyEmails",
                message="no address in notifyEmails can be told",
            )


def _item(alert: Alert, user_id: UUID | None, facts: Mapping[AlertKey, Mapping[str, Any]]) -> Item:
    figures = Figures.of(alert, 0, facts.get(store.key_of(alert)))
    return Item(alert.mandate_id, alert.kind, alert.account_id, figures.to_json(), user_id)


def _gather(refusals: Sequence[Refusal], fundings: Sequence[Funding]) -> dict[AlertKey, _Batch]:
    batches: dict[AlertKey, _Batch] = {}
    for funding in fundings:
        for kind in REFUSAL_KINDS:
            batches.setdefault(AlertKey(funding.mandate_id, kind.name, funding.account_id), _Batch()).funded = True
    for refusal in refusals:
        for name in _KINDS_OF.get(refusal.reason, ()):
            key = AlertKey(refusal.mandate_id, name, refusal.account_id)
            batches.setdefault(key, _Batch()).add(refusal)
    return batches


_KINDS_OF: Final = {
    reason: tuple(kind.name for kind in REFUSAL_KINDS if reason in kind.reasons) for reason in NoticeRider.wants
}


def _counts(account: Watched, alert: Alert, refusal: Refused) -> bool:
    """Refusals answered from memory arrive up to a second late: after a top-up they must not begin a new shortage."""
    return account.wanted and (alert.is_open or still_short(account.funds, refusal.required_nanos))
