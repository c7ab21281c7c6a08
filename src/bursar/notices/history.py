"""What was sent to whom, when, and how it ended: for `GET /api/mandates/{id}/notices` and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from bursar.foundation.database import Connection
from bursar.foundation.money import format_amount
from bursar.notices.figures import Figures
from bursar.notices.retries import State

if TYPE_CHECKING:
    from bursar.notices.store import Row

_LIST: Final = """
    SELECT notice_id, kind, account_id, channel, recipient, state, attempts, message_id, last_error, created_at,
           updated_at, sent_at, payload,
           CASE state WHEN 'QUEUED' THEN next_attempt_at END AS next_attempt_at
      FROM notice
     WHERE mandate_id = $1 AND ($2::uuid IS NULL OR notice_id < $2)
     ORDER BY notice_id DESC LIMIT $3
"""

_DEAD: Final = """
    SELECT channel, address, reason, refused_at FROM recipient_state
     WHERE mandate_id = $1 ORDER BY channel, address
"""


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """One notice to one recipient. `last_error` is what the recipient's server said last, if it was not a yes."""

    notice_id: UUID
    mandate_id: UUID
    kind: str
    account_id: UUID
    channel: str
    recipient: str
    state: State
    attempts: int
    message_id: str | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None
    next_attempt_at: datetime | None
    figures: Figures

    def to_json(self) -> dict[str, Any]:
        """As the API shows it; amounts are decimal strings in the mandate's currency."""
        is_pool = self.account_id == self.mandate_id
        return {
            "id": str(self.notice_id),
            "kind": self.kind,
            "payer": "pool" if is_pool else "wallet",
            "userId": None if is_pool else str(self.account_id),
            "channel": self.channel,
            "recipient": self.recipient,
            "state": self.state,
            "attempts": self.attempts,
            "messageId": self.message_id,
            "lastError": self.last_error,
            "createdAt": _wire_time(self.created_at),
            "updatedAt": _wire_time(self.updated_at),
            "sentAt": _wire_time(self.sent_at),
            "nextAttemptAt": _wire_time(self.next_attempt_at),
            "since": _wire_time(self.figures.since),
            "refusedCalls": self.figures.calls,
            "refusedUsers": self.figures.users,
            "requiredAmount": format_amount(self.figures.required_nanos),
            "availableAmount": format_amount(self.figures.available_nanos),
            "lastRefusedUserId": None if self.figures.user_id is None else str(self.figures.user_id),
            "lastRefusedKeyId": None if self.figures.key_id is None else str(self.figures.key_id),
        }


@dataclass(frozen=True, slots=True)
class DeadAddress:
    """An address that its server does not know: nothing is sent there until it is edited."""

    channel: str
    address: str
    reason: str
    refused_at: datetime


async def list_notices(
    connection: Connection, mandate_id: UUID, *, limit: int = 50, before: UUID | None = None
) -> list[NoticeRecord]:
    """The newest first; `before` is the last `notice_id` of the page before."""
    rows = await connection.fetch(_LIST, mandate_id, before, limit)
    return [_record(mandate_id, row) for row in rows]


async def dead_addresses(connection: Connection, mandate_id: UUID) -> Sequence[DeadAddress]:
    """For whoever edits the addresses."""
    rows = await connection.fetch(_DEAD, mandate_id)
    return [DeadAddress(row["channel"], row["address"], row["reason"], row["refused_at"]) for row in rows]


def _record(mandate_id: UUID, row: Row) -> NoticeRecord:
    columns = {name: row[name] for name in NoticeRecord.__slots__ if name not in {"mandate_id", "figures"}}
    return NoticeRecord(mandate_id=mandate_id, figures=Figures.from_json(row["payload"]), **columns)


def _wire_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
