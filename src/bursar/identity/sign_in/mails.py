"""Mails to one person, which carry a link: queued in the transaction that makes the link, encrypted until delivered.

This room says what is to be told; `notices.personal_mail` writes and delivers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

import orjson

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.foundation.secrets import Secrets

MailKind = Literal["invitation", "link"]

_QUEUE: Final = """
    INSERT INTO sign_in_mail (mail_id, about_id, kind, sealed, expires_at)
    VALUES ($1, $2, $3, $4, now() + $5::interval)"""

_WITHDRAW: Final = "DELETE FROM sign_in_mail WHERE about_id = $1 AND state = 'QUEUED'"


async def queue_mail(
    connection: Connection,
    secrets: Secrets,
    kind: MailKind,
    *,
    recipient: str,
    language: str,
    values: Mapping[str, str],
    expires_in: timedelta,
    about_id: UUID | None = None,
) -> None:
    """`values` are the words of the mail's texts; `url` is the link. Not sent later than it would be of use."""
    content = {"recipient": recipient, "language": language, "values": dict(values)}
    sealed = secrets.encrypt(orjson.dumps(content).decode())
    await connection.execute(_QUEUE, new_id(), about_id, kind, sealed, expires_in)


async def withdraw_mail(connection: Connection, about_id: UUID) -> None:
    """What has not been sent yet is not sent any more."""
    await connection.execute(_WITHDRAW, about_id)
