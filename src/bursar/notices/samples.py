"""Notices to look at before they are needed: a preview of any kind, and a test that travels like a real one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from bursar.billing.refusal import billing_url
from bursar.foundation.ids import new_id
from bursar.identity.principal import MandateFacts
from bursar.notices.figures import Figures
from bursar.notices.kinds import TEST
from bursar.notices.mail import Mail, render
from bursar.notices.wording import MailFacts

if TYPE_CHECKING:
    from asyncpg import Pool

_SINCE: Final = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
_CAP: Final = {
    "scope": "mandate", "scopeId": "", "name": None, "period": "month", "percent": 85, "own": False,
    "resetsAt": "2026-12-01T00:00:00+00:00",
}  # fmt: skip
_MORE: Final[dict[str, dict[str, Any]]] = {
    "RUNNING_OUT": {"endsAt": "2026-11-25T09:12:00+00:00", "perDayNanos": 7_250_000_000},
    "LIMIT_NEAR": _CAP,
    "CREDIT_EXPIRING": {"expiresAt": "2026-11-30T23:59:00+00:00", "count": 2},
    "LIMIT_REACHED": {**_CAP, "percent": 100},
    "TOP_UP_APPROVED": {"own": True},
    "TOP_UP_DECLINED": {"own": True},
}
_SOMEBODY: Final = (UUID("0198abcd-5555-4666-8777-888899990000"), "Anna Muster")
_LEFT: Final = {"EXHAUSTED": 4_100_000, "LIMIT_REACHED": 0}
_NEEDED: Final = {"EXHAUSTED": 12_000_000}

_QUEUE: Final = """
    INSERT INTO notice (mandate_id, notice_id, kind, account_id, shortage_id, slot_id, channel, recipient, payload,
                        next_attempt_at, created_at, updated_at)
    VALUES ($1, $2, $3, $1, $2, $2, $7, $4, $5, $6, $6, $6)
        ON CONFLICT (mandate_id, kind, account_id, recipient) WHERE state = 'QUEUED'
        DO UPDATE SET next_attempt_at = EXCLUDED.next_attempt_at
    RETURNING notice_id
"""


def preview(kind: str, language: str, mandate: MandateFacts, public_url: str) -> Mail:
    """A notice with figures that are made up. Raises `KeyError` for an unknown kind."""
    left, needed = _LEFT.get(kind, 15_000_000_000), _NEEDED.get(kind, 100_000_000_000)
    user_id, user_name = _SOMEBODY
    figures = Figures(_SINCE, 12, 3, needed, left, user_id, None, _MORE.get(kind, {}))
    facts = MailFacts(
        kind=kind,
        language=language,
        mandate_id=mandate.mandate_id,
        mandate_name=mandate.name,
        currency=mandate.currency,
        time_zone=mandate.time_zone,
        billing_model=mandate.billing_model,
        account_id=mandate.mandate_id,
        figures=figures,
        user_name=user_name,
        key_name=None,
        cooldown_seconds=3600,
        top_up_url=billing_url(public_url, mandate.mandate_id),
        requests=((user_name, "…"),),
    )
    return render(facts)


async def queue_test(pool: Pool, mandate_id: UUID, recipient: str, at: datetime | None = None) -> UUID:
    """A test for one recipient (an address, or an endpoint's name), through the outbox like everything else.

    One at a time. `pool` is `bursar_ledger`'s.
    """
    channel = next((name for name in ("webhook", "messaging") if recipient.startswith(f"{name}:")), "email")
    moment = at if at is not None else await pool.fetchval("SELECT now()")
    figures = Figures(moment, 0, 0, 0, 0, None, None).to_json()
    notice_id: UUID = await pool.fetchval(_QUEUE, mandate_id, new_id(), TEST.name, recipient, figures, moment, channel)
    return notice_id
