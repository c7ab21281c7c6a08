"""Alerts in the database: locked, read and written in bulk, in one order everywhere.

Whoever writes a notice row of an account holds that account's alert; only the claim of due rows goes without.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.notices import audience, inbox
from bursar.notices.figures import Figures
from bursar.notices.inbox import Item
from bursar.notices.kinds import EXHAUSTED, KINDS, Audience
from bursar.notices.rules import Alert, Funds, Policy

if TYPE_CHECKING:
    import asyncpg

    Row: TypeAlias = asyncpg.Record | Mapping[str, Any]

EMAIL: Final = "email"


class AlertKey(NamedTuple):
    mandate_id: UUID
    kind: str
    account_id: UUID


@dataclass(frozen=True, slots=True)
class Watched:
    """An account's alert (a fresh one if there is none yet) and the mandate's settings beside it."""

    alert: Alert
    exists: bool
    policy: Policy
    funds: Funds | None
    wanted: bool
    """False for a wallet where the mandate does not want to hear of wallets."""
    facts: Mapping[str, Any] | None = None
    """What its notice says beside its figures."""


class RefusedUser(NamedTuple):
    key: AlertKey
    user_id: UUID
    shortage_id: UUID


# A row that is there is locked where it stands in the order; one that has to begin is made after those, in order, too.
_WATCH: Final = """
    WITH wanted AS (
        SELECT mandate_id, kind, account_id, begins
          FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::boolean[]) AS key (mandate_id, kind, account_id, begins)
    ), there AS (
        SELECT alert.* FROM alert JOIN wanted USING (mandate_id, kind, account_id)
         ORDER BY alert.mandate_id, alert.kind, alert.account_id
           FOR UPDATE OF alert
    ), begun AS (
        INSERT INTO alert (mandate_id, kind, account_id)
        SELECT wanted.mandate_id, wanted.kind, wanted.account_id
          FROM wanted
          JOIN mandate ON mandate.mandate_id = wanted.mandate_id
          LEFT JOIN billing_settings AS terms ON terms.mandate_id = wanted.mandate_id
         WHERE wanted.begins
           AND NOT EXISTS (SELECT FROM there WHERE there.mandate_id = wanted.mandate_id AND there.kind = wanted.kind
                              AND there.account_id = wanted.account_id)
           AND (wanted.kind <> 'EXHAUSTED' OR wanted.account_id = wanted.mandate_id OR terms.notify_wallet_exhausted)
         ORDER BY 1, 2, 3
            ON CONFLICT (mandate_id, kind, account_id) DO UPDATE SET kind = EXCLUDED.kind
        RETURNING alert.*
    ), locked AS (
        SELECT * FROM there UNION ALL SELECT * FROM begun
    )
    SELECT wanted.mandate_id AS of_mandate, wanted.kind AS of_kind, wanted.account_id AS of_account, locked.*,
           mandate.status, terms.billing_model, terms.notify_cooldown_seconds, terms.notify_wallet_exhausted,
           CASE terms.billing_model WHEN 'POSTPAY' THEN terms.credit_limit_nanos ELSE 0 END AS credit_limit_nanos,
           account.credits_posted - account.debits_posted AS balance_nanos,
           (SELECT max(silence.ends_at) FROM notice_silence AS silence
             WHERE silence.mandate_id = wanted.mandate_id
               AND (silence.kind IS NULL OR silence.kind = wanted.kind)) AS silent_until,
           ARRAY(SELECT listed.address
                   FROM unnest(terms.notify_emails) WITH ORDINALITY AS listed (address, place)
                  WHERE NOT EXISTS (
                        SELECT FROM recipient_state AS dead
                         WHERE dead.mandate_id = wanted.mandate_id AND dead.channel = 'email'
                           AND dead.address = listed.address)
                  ORDER BY listed.place)
           || ARRAY(SELECT CASE endpoint.transport WHEN 'webhook' THEN 'webhook:' ELSE 'messaging:' END
                               || endpoint.endpoint_id FROM webhook_endpoint AS endpoint
                     WHERE endpoint.mandate_id = wanted.mandate_id AND endpoint.disabled_at IS NULL
                     ORDER BY endpoint.endpoint_id) AS recipients
      FROM wanted
      LEFT JOIN locked USING (mandate_id, kind, account_id)
      JOIN mandate ON mandate.mandate_id = wanted.mandate_id
      LEFT JOIN billing_settings AS terms ON terms.mandate_id = wanted.mandate_id
      LEFT JOIN account ON account.mandate_id = wanted.mandate_id AND account.account_id = wanted.account_id
"""

_WRITE: Final = """
    hit AS (
        SELECT * FROM unnest($20::uuid[], $21::text[], $22::uuid[], $23::uuid[], $24::uuid[])
            AS hit (mandate_id, kind, account_id, user_id, shortage_id)
    ), fresh AS (
        INSERT INTO refused_user (mandate_id, kind, account_id, user_id, shortage_id, since)
        SELECT mandate_id, kind, account_id, user_id, shortage_id, $25 FROM hit
         WHERE NOT EXISTS (
               SELECT FROM refused_user AS known
                WHERE known.mandate_id = hit.mandate_id AND known.kind = hit.kind
                  AND known.account_id = hit.account_id AND known.user_id = hit.user_id
                  AND known.shortage_id = hit.shortage_id)
         ORDER BY 1, 2, 3, 4
            ON CONFLICT (mandate_id, kind, account_id, user_id)
            DO UPDATE SET shortage_id = EXCLUDED.shortage_id, since = EXCLUDED.since
        RETURNING mandate_id, kind, account_id
    ), counted AS (
        SELECT mandate_id, kind, account_id, count(*) AS users FROM fresh GROUP BY 1, 2, 3
    ), written AS (
    UPDATE alert
       SET shortage_id = new.shortage_id, since = new.since, resolved_at = new.resolved_at,
           refused_calls = new.refused_calls, last_user_id = new.last_user_id, last_key_id = new.last_key_id,
           required_nanos = new.required_nanos, available_nanos = new.available_nanos,
           slot_id = new.slot_id, slot_shortage_id = new.slot_shortage_id, slot_claimed_at = new.slot_claimed_at,
           sent_at = new.sent_at, given_back_count = new.given_back_count, reopens_at = new.reopens_at,
           notified_at = new.notified_at, warned_at = new.warned_at, due_at = new.due_at,
           refused_users = coalesce(counted.users, 0)
               + CASE WHEN alert.shortage_id IS NOT DISTINCT FROM new.shortage_id THEN alert.refused_users ELSE 0 END
      FROM unnest(
               $1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $7::bigint[],
               $8::uuid[], $9::uuid[], $10::bigint[], $11::bigint[], $12::uuid[], $13::uuid[], $14::timestamptz[],
               $15::timestamptz[], $16::integer[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[],
               $26::timestamptz[])
           AS new (mandate_id, kind, account_id, shortage_id, since, resolved_at, refused_calls,
                   last_user_id, last_key_id, required_nanos, available_nanos, slot_id, slot_shortage_id,
                   slot_claimed_at, sent_at, given_back_count, reopens_at, notified_at, warned_at, due_at)
      LEFT JOIN counted USING (mandate_id, kind, account_id)
     WHERE alert.mandate_id = new.mandate_id AND alert.kind = new.kind AND alert.account_id = new.account_id
    RETURNING alert.mandate_id, alert.kind, alert.account_id, alert.refused_users
    )
"""
_WRITTEN: Final = "SELECT mandate_id, kind, account_id, refused_users FROM written"

# What is queued says how many people were refused: known when the alert is written, in the same statement, because this
# rides in the transaction of a denial, where all calls wait.
_QUEUE: Final = (
    f"told AS ({inbox.put_sql(35, at='$25', counted='written')}),"  # noqa: S608  (constants)
    """
    queued AS (
    INSERT INTO notice (mandate_id, notice_id, kind, account_id, shortage_id, slot_id, channel, recipient, payload,
                        next_attempt_at, created_at, updated_at)
    SELECT new.mandate_id, notice_id, new.kind, new.account_id, shortage_id, slot_id,
           CASE WHEN recipient LIKE 'webhook:%' THEN 'webhook' WHEN recipient LIKE 'messaging:%' THEN 'messaging'
                ELSE 'email' END,
           recipient, payload || jsonb_build_object('users', written.refused_users), $25, $25, $25
      FROM unnest($27::uuid[], $28::uuid[], $29::text[], $30::uuid[], $31::uuid[], $32::uuid[], $33::text[],
                  $34::jsonb[])
           AS new (mandate_id, notice_id, kind, account_id, shortage_id, slot_id, recipient, payload)
      JOIN written USING (mandate_id, kind, account_id)
     ORDER BY new.mandate_id, new.kind, new.account_id, recipient
        ON CONFLICT (mandate_id, kind, account_id, recipient) WHERE state = 'QUEUED'
        DO UPDATE SET shortage_id = EXCLUDED.shortage_id, slot_id = EXCLUDED.slot_id, payload = EXCLUDED.payload,
                      updated_at = EXCLUDED.updated_at
    )
"""
)
_WRITE_ONLY: Final = f"WITH {_WRITE} {_WRITTEN}"
_WRITE_AND_QUEUE: Final = f"WITH {_WRITE}, {_QUEUE} {_WRITTEN}"

_WITHDRAW: Final = """
    UPDATE notice SET state = 'CANCELLED', updated_at = $4
      FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS key (mandate_id, kind, account_id)
     WHERE notice.mandate_id = key.mandate_id AND notice.kind = key.kind AND notice.account_id = key.account_id
       AND notice.state = 'QUEUED'
"""

_FACTS: Final = """
    UPDATE alert SET facts = new.facts
      FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::jsonb[]) AS new (mandate_id, kind, account_id, facts)
     WHERE alert.mandate_id = new.mandate_id AND alert.kind = new.kind AND alert.account_id = new.account_id
"""

_FIELDS: Final = tuple(field.name for field in fields(Alert))
_WRITTEN_COLUMNS: Final = (
    "mandate_id", "kind", "account_id", "shortage_id", "since", "resolved_at", "refused_calls", "last_user_id",
    "last_key_id", "required_nanos", "available_nanos", "slot_id", "slot_shortage_id", "slot_claimed_at", "sent_at",
    "given_back_count", "reopens_at", "notified_at", "warned_at",
)  # fmt: skip


async def watch(
    connection: Connection, keys: Iterable[AlertKey], *, begins: Container[AlertKey] = frozenset()
) -> dict[AlertKey, Watched]:
    """Lock the alerts there are, in order, and read what the rules need. Mandates that do not exist are left out.

    Where there is none yet, one is made for those of `begins` that their mandate wants to hear of at all.
    """
    found: dict[AlertKey, Watched] = {}
    wanted = sorted(keys)
    for row in await connection.fetch(_WATCH, *_columns(wanted), [key in begins for key in wanted]):
        key = AlertKey(row["of_mandate"], row["of_kind"], row["of_account"])
        exists = row["mandate_id"] is not None
        is_wallet = key.account_id != key.mandate_id
        found[key] = Watched(
            alert=_alert(row) if exists else Alert(*key),
            exists=exists,
            policy=Policy(
                cooldown=timedelta(seconds=row["notify_cooldown_seconds"] or 3600),
                recipients=tuple(row["recipients"]),
                silent_until=row["silent_until"],
            ),
            funds=funds_of(row, is_wallet=is_wallet),
            wanted=key.kind != EXHAUSTED.name or not is_wallet or bool(row["notify_wallet_exhausted"]),
            facts=row["facts"] if exists else None,
        )
    personal = [key for key in found if KINDS[key.kind].audience in _PERSONAL]
    if personal:
        for key, who in (await audience.people(connection, personal)).items():
            emails = (who.email,) if who.email else ()
            policy = replace(found[key].policy, recipients=emails, user_id=who.user_id)
            found[key] = replace(found[key], policy=policy)
    return found


_PERSONAL: Final = frozenset({Audience.PAYER, Audience.CAP_OWNER})


@dataclass(frozen=True, slots=True)
class Told:
    """What is queued for recipients and put into inboxes, by alerts that are written at the same time.

    Their figures lack how many people were refused: that is known when it is written.
    """

    claims: Sequence[tuple[Alert, Sequence[str]]]
    """A row for every recipient of every claimed slot; one that is still undelivered is brought up to date."""
    items: Sequence[Item]
    facts: Mapping[AlertKey, Mapping[str, Any]]

    def columns(self) -> list[list[Any]] | None:
        """Parameters from 27 on; `None` where there is nothing to tell."""
        rows = [
            (
                alert.mandate_id, new_id(), alert.kind, alert.account_id, alert.shortage_id, alert.slot_id, recipient,
                Figures.of(alert, 0, self.facts.get(key_of(alert))).to_json(),
            )
            for alert, recipients in self.claims
            for recipient in recipients
        ]  # fmt: skip
        if not rows and not self.items:
            return None
        return [[row[place] for row in rows] for place in range(8)] + inbox.columns(self.items)


async def write(
    connection: Connection,
    alerts: Sequence[Alert],
    at: datetime,
    refused_users: Iterable[RefusedUser] = (),
    told: Told | None = None,
) -> None:
    """Write locked alerts, count the distinct users that each one's shortage has met, and tell of it."""
    hits = sorted(set(refused_users))
    columns = told.columns() if told is not None else None
    await connection.execute(
        _WRITE_ONLY if columns is None else _WRITE_AND_QUEUE,
        *([getattr(alert, name) for alert in alerts] for name in _WRITTEN_COLUMNS),
        *_columns([hit.key for hit in hits]),
        [hit.user_id for hit in hits],
        [hit.shortage_id for hit in hits],
        at,
        [alert.due_at for alert in alerts],
        *(columns or ()),
    )


async def note_facts(connection: Connection, facts: Mapping[AlertKey, Mapping[str, Any]]) -> None:
    """What these alerts' notices say beside their figures; their rows are locked already."""
    if facts:
        keys = sorted(facts)
        await connection.execute(_FACTS, *_columns(keys), [facts[key] for key in keys])


async def withdraw(connection: Connection, keys: Iterable[AlertKey], at: datetime) -> None:
    """Nothing that is undelivered about these accounts is to be told any more."""
    columns = _columns(sorted(keys))
    if columns[0]:
        await connection.execute(_WITHDRAW, *columns, at)


def key_of(alert: Alert) -> AlertKey:
    return AlertKey(alert.mandate_id, alert.kind, alert.account_id)


def funds_of(row: Row, *, is_wallet: bool) -> Funds | None:
    """Of a row with `balance_nanos`, `credit_limit_nanos`, `billing_model` and `status`; `None` without an account."""
    if row["balance_nanos"] is None:
        return None
    model = row["billing_model"] or "PREPAY_MANDATE"
    pays = model != "UNLIMITED" and (model == "PREPAY_USER") == is_wallet
    return Funds(row["balance_nanos"], row["credit_limit_nanos"] or 0, refuses=pays and row["status"] == "active")


def _alert(row: Row) -> Alert:
    return Alert(**{name: row[name] for name in _FIELDS})


def _columns(keys: Sequence[AlertKey]) -> tuple[list[UUID], list[str], list[UUID]]:
    return [key.mandate_id for key in keys], [key.kind for key in keys], [key.account_id for key in keys]
