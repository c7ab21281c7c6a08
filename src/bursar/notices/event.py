"""A notice for programs: the body of a webhook. Amounts are decimal strings, times RFC 3339; no names of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bursar.foundation.money import format_amount

if TYPE_CHECKING:
    from bursar.notices.outbox import Claimed


def event_of(row: Claimed) -> dict[str, Any]:
    """`id` is the notice's and goes into a header; the same however often it is sent."""
    is_pool = row.account_id == row.mandate_id
    return {
        "id": f"msg_{row.notice_id}",
        "type": f"notice.{row.kind.lower()}",
        "timestamp": row.claimed_at.isoformat(),
        "data": {
            "mandateId": str(row.mandate_id),
            "kind": row.kind,
            "payer": "pool" if is_pool else None,
            "subjectId": str(row.account_id),
            "currency": row.currency,
            "since": row.figures.since.isoformat(),
            "refusedCalls": row.figures.calls,
            "refusedUsers": row.figures.users,
            "requiredAmount": format_amount(row.figures.required_nanos),
            "availableAmount": format_amount(row.figures.available_nanos),
            "details": {key: value for key, value in row.figures.more.items() if key != "name"},
        },
    }
