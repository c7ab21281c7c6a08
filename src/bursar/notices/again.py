"""Funded again: whoever was last told that an account is exhausted is told when it is not any more.

By what was delivered, not by what was decided: a mail that was out when the money came is followed as well, and
somebody who was told of a shortage that ended and came back unnoticed is told once, when the last one has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.notices.kinds import EXHAUSTED, FUNDED_AGAIN
from bursar.notices.store import AlertKey

_OWED: Final = """
    SELECT last.mandate_id, last.account_id, last.channel, last.recipient, alert.shortage_id,
           jsonb_build_object('since', to_jsonb(alert.since), 'calls', alert.refused_calls,
               'users', alert.refused_users, 'requiredNanos', alert.required_nanos,
               'availableNanos', account.credits_posted - account.debits_posted) AS payload
      FROM (SELECT DISTINCT ON (told.mandate_id, told.account_id, told.channel, told.recipient) told.*
              FROM notice AS told
              JOIN unnest($1::uuid[], $2::uuid[]) AS key (mandate_id, account_id) USING (mandate_id, account_id)
             WHERE told.kind IN ($3, $4) AND told.state = 'SENT'
             ORDER BY told.mandate_id, told.account_id, told.channel, told.recipient, told.sent_at DESC,
                      told.notice_id DESC) AS last
      JOIN alert ON alert.mandate_id = last.mandate_id AND alert.kind = $3 AND alert.account_id = last.account_id
       AND alert.resolved_at IS NOT NULL
      JOIN account ON account.mandate_id = last.mandate_id AND account.account_id = last.account_id
     WHERE last.kind = $3
     ORDER BY last.mandate_id, last.account_id, last.recipient
"""

_QUEUE: Final = """
    INSERT INTO notice (mandate_id, notice_id, kind, account_id, shortage_id, slot_id, channel, recipient, payload,
                        next_attempt_at, created_at, updated_at)
    SELECT mandate_id, notice_id, $8, account_id, shortage_id, notice_id, channel, recipient, payload, $9, $9, $9
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::jsonb[])
           AS new (mandate_id, notice_id, account_id, shortage_id, channel, recipient, payload)
        ON CONFLICT (mandate_id, kind, account_id, recipient) WHERE state = 'QUEUED'
        DO UPDATE SET shortage_id = EXCLUDED.shortage_id, payload = EXCLUDED.payload, updated_at = EXCLUDED.updated_at
"""

_REFUSED_PEOPLE: Final = """
    INSERT INTO inbox_item (mandate_id, user_id, kind, account_id, payload, created_at)
    SELECT hit.mandate_id, hit.user_id, $4, hit.account_id,
           jsonb_build_object('since', to_jsonb(alert.since), 'calls', alert.refused_calls,
               'users', alert.refused_users, 'requiredNanos', 0, 'availableNanos', 0), $5
      FROM unnest($1::uuid[], $2::uuid[]) AS key (mandate_id, account_id)
      JOIN alert ON alert.mandate_id = key.mandate_id AND alert.kind = $3 AND alert.account_id = key.account_id
      JOIN refused_user AS hit ON hit.mandate_id = alert.mandate_id AND hit.kind = alert.kind
       AND hit.account_id = alert.account_id AND hit.shortage_id = alert.shortage_id
      JOIN app_user AS person ON person.mandate_id = hit.mandate_id AND person.user_id = hit.user_id
       AND person.deleted_at IS NULL
"""


async def follow_up(connection: Connection, keys: Sequence[AlertKey], at: datetime) -> None:
    """The shortages of these accounts have just ended: queue for whoever was told, put it to whoever was refused."""
    if keys:
        columns = [key.mandate_id for key in keys], [key.account_id for key in keys]
        await owed(connection, keys, at)
        await connection.execute(_REFUSED_PEOPLE, *columns, EXHAUSTED.name, FUNDED_AGAIN.name, at)


async def owed(connection: Connection, keys: Sequence[AlertKey], at: datetime) -> None:
    """Queue for everybody whose last news of these accounts was "exhausted", where that is over."""
    found = await connection.fetch(
        _OWED,
        [key.mandate_id for key in keys],
        [key.account_id for key in keys],
        EXHAUSTED.name,
        FUNDED_AGAIN.name,
    )
    if found:
        rows = [
            (row["mandate_id"], new_id(), row["account_id"], row["shortage_id"], row["channel"], row["recipient"],
             row["payload"])
            for row in found
        ]  # fmt: skip
        await connection.execute(_QUEUE, *map(list, zip(*rows, strict=True)), FUNDED_AGAIN.name, at)
