"""The outbox in the database: what is due is claimed for a while, and what became of it is recorded.

Found without locks, claimed with `SKIP LOCKED`: a claim never waits, and nobody waits for it for longer than one short
transaction. A claim holds for its lease; a worker that dies lets it run out, and another one sends again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.notices import again, store
from bursar.notices.figures import Figures
from bursar.notices.kinds import EXHAUSTED
from bursar.notices.retries import State
from bursar.notices.rules import Funds, accepted, told_nobody
from bursar.notices.store import AlertKey

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that is ours until its lease ends, with everything that its mail says."""

    mandate_id: UUID
    notice_id: UUID
    kind: str
    account_id: UUID
    channel: str
    recipient: str
    claim_id: UUID
    attempts: int
    """With the one that begins now."""
    claimed_at: datetime
    updated_at: datetime
    """When it was queued, or last brought up to date by a repeat."""
    message_id: str
    figures: Figures
    funds: Funds | None
    listed: bool
    """Whether the mandate's settings still want this recipient to be told of this account."""
    silent_until: datetime | None
    """The mandate wants to hear nothing of this kind before."""
    requests: tuple[tuple[str, str], ...]
    """Who asks for a top-up, and why: looked up now, kept nowhere else."""
    outdated: bool
    """Whether what it says is not true any more, for another reason than the account's money."""
    mandate_name: str
    currency: str
    language: str
    time_zone: str
    billing_model: str
    cooldown_seconds: int
    user_name: str | None
    """Of whoever was refused last; `None` where nobody was named, or is gone."""
    key_name: str | None

    @property
    def alert_key(self) -> AlertKey:
        return AlertKey(self.mandate_id, self.kind, self.account_id)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a claimed row. `dead_address` is why the server does not know the address, where it does not."""

    claimed: Claimed
    state: State
    retry_after: timedelta | None = None
    """From now; only for `QUEUED`."""
    error: str | None = None
    dead_address: str | None = None
    handed_back: bool = False
    """It was not tried: the attempt does not count."""


_FIND: Final = """
    SELECT mandate_id, notice_id FROM notice
     WHERE state = 'QUEUED' AND next_attempt_at <= coalesce($1, now()) AND channel = ANY ($2::text[])
     ORDER BY next_attempt_at LIMIT $3
"""

_CLAIM: Final = """
    WITH free AS (
        SELECT notice.mandate_id, notice.notice_id
          FROM notice JOIN unnest($1::uuid[], $2::uuid[]) AS key (mandate_id, notice_id) USING (mandate_id, notice_id)
         WHERE notice.state = 'QUEUED' AND notice.next_attempt_at <= coalesce($3, now())
         ORDER BY notice.mandate_id, notice.notice_id
           FOR UPDATE OF notice SKIP LOCKED
    ), taken AS (
        UPDATE notice
           SET claim_id = $4, claimed_until = coalesce($3, now()) + $5::interval,
               next_attempt_at = coalesce($3, now()) + $5::interval, attempts = notice.attempts + 1,
               message_id = coalesce(notice.message_id, '<' || notice.notice_id || '@' || $6::text || '>')
          FROM free
         WHERE notice.mandate_id = free.mandate_id AND notice.notice_id = free.notice_id
        RETURNING notice.*
    )
    SELECT taken.*, mandate.name AS mandate_name, mandate.currency, mandate.time_zone, mandate.status,
           coalesce((SELECT reader.language FROM app_user AS reader
                      WHERE reader.mandate_id = taken.mandate_id AND reader.email = taken.recipient
                        AND reader.deleted_at IS NULL
                        AND (taken.kind IN ('TOP_UP_APPROVED', 'TOP_UP_DECLINED')
                             OR taken.recipient <> ALL (terms.notify_emails))
                      ORDER BY reader.user_id LIMIT 1), terms.language, mandate.language) AS language,
           terms.billing_model, coalesce(terms.notify_cooldown_seconds, 3600) AS cooldown_seconds,
           CASE terms.billing_model WHEN 'POSTPAY' THEN terms.credit_limit_nanos ELSE 0 END AS credit_limit_nanos,
           CASE WHEN taken.channel IN ('webhook', 'messaging')
                THEN EXISTS (SELECT FROM webhook_endpoint AS endpoint WHERE endpoint.mandate_id = taken.mandate_id
                                AND endpoint.endpoint_id::text = split_part(taken.recipient, ':', 2)
                                AND endpoint.disabled_at IS NULL)
                WHEN taken.kind = 'EXHAUSTED'
                THEN coalesce(taken.recipient = ANY (terms.notify_emails)
                              AND (taken.account_id = taken.mandate_id OR terms.notify_wallet_exhausted), false)
                ELSE coalesce(taken.recipient = ANY (terms.notify_emails), false)
                     OR EXISTS (SELECT FROM app_user AS reader WHERE reader.mandate_id = taken.mandate_id
                                   AND reader.email = taken.recipient AND reader.deleted_at IS NULL)
                END AS listed,
           taken.kind = 'FUNDED_AGAIN' AND EXISTS (
               SELECT FROM alert AS short
                WHERE short.mandate_id = taken.mandate_id AND short.kind = 'EXHAUSTED'
                  AND short.account_id = taken.account_id AND short.shortage_id IS NOT NULL
                  AND short.resolved_at IS NULL) AS outdated,
           (SELECT max(silence.ends_at) FROM notice_silence AS silence
             WHERE silence.mandate_id = taken.mandate_id AND taken.kind <> 'TEST'
               AND (silence.kind IS NULL OR silence.kind = taken.kind)) AS silent_until,
           CASE taken.kind WHEN 'TOP_UP_REQUESTED' THEN ARRAY(
               SELECT jsonb_build_array(asker.display_name, asked.reason)
                 FROM top_up_request AS asked JOIN app_user AS asker USING (mandate_id, user_id)
                WHERE asked.mandate_id = taken.mandate_id AND asked.state = 'OPEN'
                ORDER BY asked.created_at LIMIT 100) END AS requests,
           last_told.payload AS last_payload, last_told.sent_at AS last_sent_at,
           coalesce($3, now()) AS claimed_at,
           account.credits_posted - account.debits_posted AS balance_nanos,
           alert.since, alert.refused_calls, alert.refused_users, alert.required_nanos, alert.available_nanos,
           alert.last_user_id, alert.last_key_id, alert.facts,
           person.display_name AS user_name, key.name AS key_name
      FROM taken
      JOIN mandate USING (mandate_id)
      LEFT JOIN billing_settings AS terms USING (mandate_id)
      LEFT JOIN account USING (mandate_id, account_id)
      LEFT JOIN alert ON alert.mandate_id = taken.mandate_id AND alert.kind = taken.kind
            AND alert.account_id = taken.account_id AND alert.shortage_id = taken.shortage_id
      LEFT JOIN LATERAL (
           SELECT earlier.payload, earlier.sent_at FROM notice AS earlier
            WHERE earlier.mandate_id = taken.mandate_id AND earlier.account_id = taken.account_id
              AND earlier.channel = taken.channel AND earlier.recipient = taken.recipient
              AND earlier.kind = taken.kind AND earlier.shortage_id = taken.shortage_id AND earlier.state = 'SENT'
            ORDER BY earlier.sent_at DESC LIMIT 1) AS last_told ON taken.kind = 'EXHAUSTED'
      LEFT JOIN app_user AS person ON person.mandate_id = taken.mandate_id AND person.user_id = alert.last_user_id
      LEFT JOIN api_key AS key ON key.mandate_id = taken.mandate_id AND key.key_id = alert.last_key_id
     ORDER BY taken.created_at, taken.notice_id
"""

# A mail that went out was told, even if money withdrew its row meanwhile, or the lease ended and another sent it again.
_RECORD: Final = """
    UPDATE notice
       SET state = new.state, next_attempt_at = coalesce($9::timestamptz + new.retry_after, notice.next_attempt_at),
           payload = CASE new.state WHEN 'SENT' THEN new.payload ELSE notice.payload END,
           attempts = notice.attempts - CASE WHEN new.handed_back THEN 1 ELSE 0 END,
           last_error = CASE WHEN new.state = 'SENT' THEN NULL ELSE coalesce(new.error, notice.last_error) END,
           sent_at = CASE new.state WHEN 'SENT' THEN $9 END,
           claim_id = NULL, claimed_until = NULL
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::interval[], $6::text[], $7::jsonb[],
                  $8::boolean[])
           AS new (mandate_id, notice_id, claim_id, state, retry_after, error, payload, handed_back)
     WHERE notice.mandate_id = new.mandate_id AND notice.notice_id = new.notice_id
       AND ((notice.state = 'QUEUED' AND notice.claim_id = new.claim_id)
            OR (new.state = 'SENT' AND notice.state <> 'SENT'))
    RETURNING notice.mandate_id, notice.kind, notice.account_id, notice.shortage_id, notice.slot_id, notice.state,
              notice.channel
"""

_SLOTS: Final = """
    SELECT slot.mandate_id, slot.slot_id, bool_or(notice.state IN ('REFUSED', 'FAILED')) AS failed
      FROM unnest($1::uuid[], $2::uuid[]) AS slot (mandate_id, slot_id)
      JOIN notice USING (mandate_id, slot_id)
     GROUP BY slot.mandate_id, slot.slot_id
    HAVING NOT bool_or(notice.state IN ('QUEUED', 'SENT'))
"""

_DEAD: Final = """
    INSERT INTO recipient_state (mandate_id, channel, address, reason, refused_at)
    SELECT dead.mandate_id, dead.channel, dead.address, dead.reason, $5
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS dead (mandate_id, channel, address, reason)
      JOIN billing_settings AS terms ON terms.mandate_id = dead.mandate_id AND dead.address = ANY (terms.notify_emails)
     ORDER BY 1, 2, 3
        ON CONFLICT (mandate_id, channel, address)
        DO UPDATE SET reason = EXCLUDED.reason, refused_at = EXCLUDED.refused_at
"""


async def claim(
    pool: asyncpg.Pool,
    *,
    channels: Collection[str],
    limit: int,
    lease_seconds: float,
    message_domain: str,
    at: datetime | None,
) -> list[Claimed]:
    """Take up to `limit` due rows for `lease_seconds`. `at` is for tests; in service the time is the database's."""
    async with pool.acquire() as connection:
        due = await connection.fetch(_FIND, at, list(channels), limit)
        if not due:
            return []
        claim_id = new_id()
        rows = await connection.fetch(
            _CLAIM,
            [row["mandate_id"] for row in due],
            [row["notice_id"] for row in due],
            at,
            claim_id,
            timedelta(seconds=lease_seconds),
            message_domain,
        )
    return [_claimed(row) for row in rows]


async def record(connection: Connection, ended: Sequence[Ended], at: datetime | None) -> None:
    """Write outcomes, in one transaction of its own; the alerts are locked first, as everywhere."""
    async with connection.transaction():
        moment = at if at is not None else await connection.fetchval("SELECT now()")
        alerts = {key: seen.alert for key, seen in (await store.watch(connection, _keys(ended))).items() if seen.exists}
        before = dict(alerts)
        rows = await connection.fetch(
            _RECORD,
            [each.claimed.mandate_id for each in ended],
            [each.claimed.notice_id for each in ended],
            [each.claimed.claim_id for each in ended],
            [each.state for each in ended],
            [each.retry_after for each in ended],
            [each.error for each in ended],
            [each.claimed.figures.to_json() for each in ended],
            [each.handed_back for each in ended],
            moment,
        )
        over: dict[tuple[UUID, UUID], AlertKey] = {}
        late: set[AlertKey] = set()
        for row in rows:
            key = AlertKey(row["mandate_id"], row["kind"], row["account_id"])
            if row["state"] == "SENT" and key in alerts:
                alerts[key] = accepted(alerts[key], row["shortage_id"], moment, by_mail=row["channel"] == "email")
                if key.kind == EXHAUSTED.name and not alerts[key].is_open:
                    late.add(key)
            elif row["state"] != "QUEUED":
                over[row["mandate_id"], row["slot_id"]] = key
        slots = sorted(over)
        if slots:
            for row in await connection.fetch(_SLOTS, [slot[0] for slot in slots], [slot[1] for slot in slots]):
                key = over[row["mandate_id"], row["slot_id"]]
                if key in alerts:
                    alerts[key] = told_nobody(alerts[key], row["slot_id"], moment, all_failed=row["failed"])
        changed = [alert for key, alert in alerts.items() if alert is not before[key]]
        if changed:
            await store.write(connection, changed, moment)
        if late:  # It went out after the money had come: what it says is followed at once.
            await again.owed(connection, sorted(late), moment)
        await _bury(connection, ended, moment)


async def _bury(connection: Connection, ended: Sequence[Ended], at: datetime) -> None:
    """Remember addresses that their servers do not know, unless they were edited meanwhile."""
    dead = {
        (each.claimed.mandate_id, each.claimed.channel, each.claimed.recipient): each.dead_address
        for each in ended
        if each.dead_address is not None
    }
    if dead:
        rows = [(*key, reason) for key, reason in sorted(dead.items())]
        await connection.execute(_DEAD, *map(list, zip(*rows, strict=True)), at)


def _since_last(row: store.Row) -> dict[str, object]:
    """What a repeat says beside: when this recipient was last told of this shortage, and of how many calls."""
    if row["last_sent_at"] is None:
        return {}
    return {"toldAt": row["last_sent_at"].isoformat(), "toldCalls": row["last_payload"]["calls"]}


def _keys(ended: Sequence[Ended]) -> set[AlertKey]:
    return {each.claimed.alert_key for each in ended}


def _claimed(row: store.Row) -> Claimed:
    if row["since"] is None:  # The alert has gone on to another shortage: the row's own figures are the last word.
        figures = Figures.from_json(row["payload"])
    else:
        figures = Figures(
            since=row["since"],
            calls=row["refused_calls"],
            users=row["refused_users"],
            required_nanos=row["required_nanos"],
            available_nanos=row["available_nanos"],
            user_id=row["last_user_id"],
            key_id=row["last_key_id"],
            more={**(row["facts"] or {}), **_since_last(row)},
        )
    return Claimed(
        mandate_id=row["mandate_id"],
        notice_id=row["notice_id"],
        kind=row["kind"],
        account_id=row["account_id"],
        channel=row["channel"],
        recipient=row["recipient"],
        claim_id=row["claim_id"],
        attempts=row["attempts"],
        claimed_at=row["claimed_at"],
        updated_at=row["updated_at"],
        message_id=row["message_id"],
        figures=figures,
        funds=store.funds_of(row, is_wallet=row["account_id"] != row["mandate_id"]),
        listed=row["listed"],
        silent_until=row["silent_until"],
        requests=tuple((name, reason) for name, reason in row["requests"] or ()),
        outdated=row["outdated"],
        mandate_name=row["mandate_name"],
        currency=row["currency"],
        language=row["language"],
        time_zone=row["time_zone"],
        billing_model=row["billing_model"] or "PREPAY_MANDATE",
        cooldown_seconds=row["cooldown_seconds"],
        user_name=row["user_name"] or None,
        key_name=row["key_name"],
    )
