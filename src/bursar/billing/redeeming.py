"""Redeeming a voucher: its money reaches one account exactly once, whoever else tries, and whatever breaks in between.

Three steps, each a transaction of its own, none of which can undo another:

1. *Claim*: under the voucher's lock it is bound to a mandate, an account and a transfer's id. A claim is never given
   back, so only one account can ever be paid.
2. *Pay*: a top-up with the claim's transfer id, under an idempotency key that is the voucher's id and is kept for ever.
   However often it is sent, it is in the journal once.
3. *Mark* it as redeemed.

Whatever is claimed and not marked is taken up again at step 2: by the same code, sent again, or by `finish_claimed`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from bursar.billing.money_in import refusal
from bursar.billing.voucher_codes import read_code
from bursar.billing.voucher_tries import count_try, give_back_try
from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id, pool_account_id, wallet_account_id
from bursar.foundation.problems import Problem
from bursar.identity.audit import note, note_money_origin
from bursar.identity.departure import Submits
from bursar.identity.principal import MandateFacts
from bursar.ledger.entry import LedgerUnavailable
from bursar.ledger.model import IdempotencyKey, Post, Posted, TransferKind

_FIND: Final = """
    SELECT voucher_id, hint, amount_nanos, currency, for_mandate_id, expires_at <= now() AS is_expired, revoked_at,
           mandate_id, user_id, transfer_id, claimed_by, claim_key, claimed_at, redeemed_at
      FROM voucher WHERE code_hash = $1
       FOR UPDATE"""
_CLAIM: Final = """
    UPDATE voucher
       SET mandate_id = $2, user_id = $3, transfer_id = $4, claimed_by = $5, claim_key = $6, claimed_at = now()
     WHERE voucher_id = $1"""
_MARK: Final = "UPDATE voucher SET redeemed_at = now() WHERE voucher_id = $1 AND redeemed_at IS NULL"
_UNFINISHED: Final = """
    SELECT voucher_id, hint, amount_nanos, mandate_id, user_id, transfer_id, claimed_by
      FROM voucher
     WHERE claimed_at IS NOT NULL AND redeemed_at IS NULL AND claimed_at < now() - $1 * interval '1 second'
     ORDER BY claimed_at LIMIT 100"""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimer:
    """Who redeems, for which account, under which Idempotency-Key."""

    mandate: MandateFacts
    user_id: UUID | None
    """Whose wallet; `None` for the pool."""
    actor: str
    tried_as: str
    """Who is counted for wrong tries: the person rather than one of their keys."""
    key: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    voucher_id: UUID
    hint: str
    amount_nanos: int
    mandate_id: UUID
    user_id: UUID | None
    transfer_id: UUID
    claimed_by: str


async def redeem(database: Database, ledger: Submits, claimer: Claimer, code: str) -> Posted:
    """Pay a voucher's amount into the account, once.

    Raises a `Problem`: 404 for a code that is unknown or for another mandate, 409 for one that is used, revoked,
    expired or of another currency, 429 after too many wrong tries; and `LedgerUnavailable`, after which the same code
    may be sent again.
    """
    mandate_id = claimer.mandate.mandate_id
    await count_try(database, mandate_id, claimer.tried_as)
    code_hash = read_code(code)
    if code_hash is None:
        raise _problem("voucher_unknown")
    try:
        async with database.as_operator() as connection:
            claim = await _claim(connection, claimer, code_hash)
    except asyncpg.UniqueViolationError:
        raise _problem("idempotency_conflict") from None
    except Problem as problem:
        if problem.code != "voucher_unknown":
            await give_back_try(database, mandate_id, claimer.tried_as)
        raise
    await give_back_try(database, mandate_id, claimer.tried_as)
    return await pay(database, ledger, claim)


async def finish_claimed(database: Database, ledger: Submits, *, older_than_seconds: float = 30.0) -> int:
    """For a worker to do now and then: pay what was claimed before something broke. How many were finished."""
    async with database.as_operator() as connection:
        rows = await connection.fetch(_UNFINISHED, older_than_seconds)
    finished = 0
    for row in rows:
        claim = Claim(**dict(row))
        try:
            await pay(database, ledger, claim)
            finished += 1
        except (Problem, LedgerUnavailable) as error:
            _log.error("voucher_not_paid", voucher_id=str(claim.voucher_id), error=str(error), alert="operator")
    return finished


async def pay(database: Database, ledger: Submits, claim: Claim) -> Posted:
    """Steps 2 and 3. Again changes nothing and answers the same."""
    account_id = pool_account_id(claim.mandate_id) if claim.user_id is None else wallet_account_id(claim.user_id)
    await note_money_origin(database, claim.mandate_id, claim.transfer_id)
    content = f"{claim.voucher_id} {claim.mandate_id} {account_id} {claim.amount_nanos}"
    outcome = await ledger.submit(
        Post(
            mandate_id=claim.mandate_id,
            transfer_id=claim.transfer_id,
            account_id=account_id,
            payer="pool" if claim.user_id is None else "wallet",
            kind=TransferKind.TOP_UP,
            amount_nanos=claim.amount_nanos,
            reference=f"voucher {claim.hint}",
            actor=claim.claimed_by,
            user_id=claim.user_id,
            idempotency=IdempotencyKey(
                "voucher", "vouchers", str(claim.voucher_id), hashlib.sha256(content.encode()).digest(), True
            ),
        )
    )
    if not isinstance(outcome, Posted):
        raise refusal(outcome)
    async with database.as_operator() as connection:
        await connection.execute(_MARK, claim.voucher_id)
    return outcome


async def _claim(connection: Connection, claimer: Claimer, code_hash: bytes) -> Claim:
    row = await connection.fetchrow(_FIND, code_hash)
    mandate_id = claimer.mandate.mandate_id
    if row is None or row["for_mandate_id"] not in (None, mandate_id):
        raise _problem("voucher_unknown")
    if row["claimed_at"] is not None:
        if not _is_repetition(row, claimer):
            raise _problem("voucher_used")
        return _claim_of(row)
    if row["revoked_at"] is not None:
        raise _problem("voucher_revoked")
    if row["is_expired"]:
        raise _problem("voucher_expired")
    if row["currency"] != claimer.mandate.currency:
        raise _problem("voucher_currency", voucher=row["currency"], mandate=claimer.mandate.currency)
    if claimer.mandate.status == "closed":
        raise _problem("mandate_closed")
    claim = Claim(
        row["voucher_id"], row["hint"], row["amount_nanos"], mandate_id, claimer.user_id, new_id(), claimer.actor
    )
    await connection.execute(
        _CLAIM, claim.voucher_id, mandate_id, claim.user_id, claim.transfer_id, claim.claimed_by, claimer.key
    )
    said = {
        "hint": claim.hint,
        "amount_nanos": claim.amount_nanos,
        "user_id": None if claim.user_id is None else str(claim.user_id),
        "transfer_id": str(claim.transfer_id),
    }
    await note(connection, mandate_id, "voucher.redeemed", str(claim.voucher_id), after=said, actor=claim.claimed_by)
    return claim


def _is_repetition(row: asyncpg.Record, claimer: Claimer) -> bool:
    """The same account again: to finish what was broken off, or because the answer was lost."""
    if (row["mandate_id"], row["user_id"]) != (claimer.mandate.mandate_id, claimer.user_id):
        return False
    same_request = claimer.key is not None and (row["claimed_by"], row["claim_key"]) == (claimer.actor, claimer.key)
    return row["redeemed_at"] is None or same_request


def _claim_of(row: asyncpg.Record) -> Claim:
    return Claim(**{name: row[name] for name in Claim.__dataclass_fields__})


_PROBLEMS: Final[Mapping[str, tuple[int, str, str]]] = {
    "voucher_unknown": (404, "There is no such voucher", "No voucher has this code: look for a typing error."),
    "voucher_used": (409, "The voucher has been redeemed", "A voucher can be redeemed once, and this one was."),
    "voucher_revoked": (409, "The voucher is not valid any more", "Whoever issued it has withdrawn it."),
    "voucher_expired": (409, "The voucher has expired", "It had to be redeemed before its date of expiry."),
    "voucher_currency": (
        409,
        "The voucher is of another currency",
        "It is worth {voucher}; this mandate is kept in {mandate}.",
    ),
    "mandate_closed": (409, "The mandate is closed", "A closed mandate takes no money."),
    "idempotency_conflict": (
        409,
        "This key belongs to another request",
        "Idempotency-Key was used for another voucher: a new request wants a new key.",
    ),
}


def _problem(code: str, **values: datetime | str) -> Problem:
    status, title, detail = _PROBLEMS[code]
    field = None if code in ("mandate_closed", "idempotency_conflict") else "code"
    return Problem(status, code, title, detail.format_map(values), field)
