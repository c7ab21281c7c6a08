"""Identifiers: UUIDv7 for what happens (they sort by time), UUIDv4 for mandates (people read their first characters).

An account's id is derived from what it belongs to, so that nobody ever has to look one up.
"""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID, uuid4, uuid5

import uuid_utils
from asyncpg.pgproto.pgproto import UUID as FastUUID

OperatorAccount = Literal["funding", "revenue", "overrun_loss"]
OPERATOR_ACCOUNTS: Final[tuple[OperatorAccount, ...]] = ("funding", "revenue", "overrun_loss")


def new_id() -> UUID:
    """A UUIDv7: unique, and later ones sort after earlier ones.

    Made as the database driver's own `UUID`, a subclass that is made and hashed several times faster.
    """
    return FastUUID(uuid_utils.uuid7().bytes)


def new_mandate_id() -> UUID:
    """A UUIDv4, because people tell mandates apart by the first eight characters."""
    return FastUUID(uuid4().bytes)


def pool_account_id(mandate_id: UUID) -> UUID:
    """The mandate's pool has the mandate's own id."""
    return mandate_id


def wallet_account_id(user_id: UUID) -> UUID:
    """A user's wallet has the user's own id."""
    return user_id


def operator_account_id(mandate_id: UUID, account: OperatorAccount) -> UUID:
    """The operator's side of the double entry, kept per mandate so that books balance mandate by mandate."""
    return FastUUID(uuid5(mandate_id, account).bytes)
