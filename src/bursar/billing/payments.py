"""Payments by a provider: asked for by people, told of by the provider, credited by the ledger exactly once.

A payment is `OPEN` until the provider says, signed, that it has the money: then it is `PAID` for good, whatever else
arrives later or again, and `CREDITED` as soon as its top-up is in the journal. The top-up's transfer id and its
idempotency key are the payment's own and kept for ever, so that however often it is posted, it is there once. What is
paid and not yet credited (a worker died, the ledger was away) is finished by the provider's next word, or by
`finish_paid`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import structlog

from bursar.billing.money_in import refusal
from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id, pool_account_id, wallet_account_id
from bursar.foundation.problems import Problem
from bursar.identity.audit import note_money_origin
from bursar.identity.departure import Submits
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.ledger.entry import LedgerUnavailable
from bursar.ledger.model import IdempotencyKey, Post, Posted, TransferKind

PaymentState = Literal["OPEN", "PAID", "CREDITED", "EXPIRED", "FAILED"]

_INSERT: Final = """
    INSERT INTO payment (mandate_id, payment_id, provider, user_id, amount_nanos, currency, transfer_id, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING *"""
_NAME: Final = "UPDATE payment SET provider_ref = $3 WHERE mandate_id = $1 AND payment_id = $2"
_FIND: Final = "SELECT * FROM payment WHERE mandate_id = $1 AND payment_id = $2"
_LOCK: Final = "SELECT * FROM payment WHERE mandate_id = $1 AND payment_id = $2 FOR UPDATE"
_PAID: Final = """
    UPDATE payment SET state = 'PAID', paid_at = now()
     WHERE mandate_id = $1 AND payment_id = $2 AND state NOT IN ('PAID', 'CREDITED')"""
_OVER: Final = "UPDATE payment SET state = $3 WHERE mandate_id = $1 AND payment_id = $2 AND state = 'OPEN'"
_CREDITED: Final = """
    UPDATE payment SET state = 'CREDITED', credited_at = now()
     WHERE mandate_id = $1 AND payment_id = $2 AND state = 'PAID'"""
_PAGE: Final = """
    SELECT * FROM payment
     WHERE mandate_id = $1 AND ($2::timestamptz IS NULL OR (created_at, payment_id) < ($2, $3::uuid))
       AND ($4::uuid IS NULL OR user_id = $4)
     ORDER BY created_at DESC, payment_id DESC LIMIT $5"""
_UNFINISHED: Final = """
    SELECT * FROM payment WHERE state = 'PAID' AND paid_at < now() - $1 * interval '1 second'
     ORDER BY paid_at LIMIT 100"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Payment:
    """`user_id` is whose wallet it is for; `None` for the pool. `provider_ref` is what the provider calls it."""

    mandate_id: UUID
    payment_id: UUID
    provider: str
    provider_ref: str | None
    user_id: UUID | None
    amount_nanos: int
    currency: str
    state: PaymentState
    transfer_id: UUID
    created_by: str
    created_at: datetime
    paid_at: datetime | None
    credited_at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider says of a payment, its signature checked. The amount is `None` where it says none."""

    mandate_id: UUID
    payment_id: UUID
    provider: str
    provider_ref: str
    happened: Literal["PAID", "EXPIRED", "FAILED"]
    amount_nanos: int | None
    currency: str | None


async def ask(
    database: Database,
    mandate_id: UUID,
    *,
    provider: str,
    amount_nanos: int,
    currency: str,
    user_id: UUID | None,
    actor: str,
) -> Payment:
    """A new payment, before the provider knows of it."""
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(
            _INSERT, mandate_id, new_id(), provider, user_id, amount_nanos, currency, new_id(), actor
        )
    return _payment(row)


async def name(database: Database, payment: Payment, provider_ref: str) -> None:
    """The provider calls it so."""
    async with database.as_mandate(payment.mandate_id) as connection:
        await connection.execute(_NAME, payment.mandate_id, payment.payment_id, provider_ref)


async def find(database: Database, mandate_id: UUID, payment_id: UUID) -> Payment | None:
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(_FIND, mandate_id, payment_id)
    return None if row is None else _payment(row)


async def list_payments(
    database: Database, mandate_id: UUID, *, of_user: UUID | None = None, cursor: str | None = None, limit: int = 100
) -> Page[Payment]:
    """Newest first. Raises a 422 `Problem` for a cursor that is none."""
    at, payment_id = cursor_parts(cursor)
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_PAGE, mandate_id, at, payment_id, of_user, limit + 1)
    return page_of([_payment(row) for row in rows], limit, lambda each: (each.created_at, each.payment_id))


async def take(database: Database, ledger: Submits, told: Told) -> Payment:
    """Believe what a provider has said, and credit what is paid. The same again changes nothing.

    Raises a 404 `Problem` for a payment that is not ours, 409 for one of another amount or currency, and
    `LedgerUnavailable`, after which the provider tells again.
    """
    async with database.as_mandate(told.mandate_id) as connection:
        row = await connection.fetchrow(_LOCK, told.mandate_id, told.payment_id)
        if row is None or row["provider"] != told.provider:
            raise _problem(404, "payment_unknown", "No such payment was asked for here.", told)
        payment = _payment(row)
        if payment.provider_ref not in (None, told.provider_ref):
            raise _problem(409, "payment_mismatch", "The payment has another name here.", told)
        if told.happened == "PAID":
            if (told.amount_nanos, told.currency) != (payment.amount_nanos, payment.currency):
                raise _problem(409, "payment_mismatch", "Another amount or currency was asked for.", told)
            await connection.execute(_PAID, payment.mandate_id, payment.payment_id)
        else:
            await connection.execute(_OVER, payment.mandate_id, payment.payment_id, told.happened)
        payment = _payment(await connection.fetchrow(_FIND, payment.mandate_id, payment.payment_id))
    if payment.state == "PAID":
        await credit(database, ledger, payment)
    return payment


async def credit(database: Database, ledger: Submits, payment: Payment) -> Posted:
    """Post the top-up of what is paid, and mark it so. Again changes nothing and answers the same."""
    mandate_id, user_id = payment.mandate_id, payment.user_id
    account_id = pool_account_id(mandate_id) if user_id is None else wallet_account_id(user_id)
    content = f"{payment.payment_id} {payment.mandate_id} {account_id} {payment.amount_nanos}"
    key = IdempotencyKey(
        payment.provider, "payments", str(payment.payment_id), hashlib.sha256(content.encode()).digest(), True
    )
    await note_money_origin(database, payment.mandate_id, payment.transfer_id)
    outcome = await ledger.submit(
        Post(
            mandate_id=payment.mandate_id,
            transfer_id=payment.transfer_id,
            account_id=account_id,
            payer="pool" if user_id is None else "wallet",
            kind=TransferKind.TOP_UP,
            amount_nanos=payment.amount_nanos,
            reference=f"{payment.provider} {payment.provider_ref or payment.payment_id}",
            actor=payment.created_by,
            user_id=payment.user_id,
            idempotency=key,
        )
    )
    if not isinstance(outcome, Posted):
        raise refusal(outcome)
    async with database.as_mandate(payment.mandate_id) as connection:
        await connection.execute(_CREDITED, payment.mandate_id, payment.payment_id)
    return outcome


async def finish_paid(database: Database, ledger: Submits, *, older_than_seconds: float = 30.0) -> int:
    """For a worker to do now and then: credit what was paid before something broke. How many were finished."""
    async with database.as_operator() as connection:
        payments = await _unfinished(connection, older_than_seconds)
    finished = 0
    for payment in payments:
        try:
            await credit(database, ledger, payment)
            finished += 1
        except (Problem, LedgerUnavailable) as error:
            log.error("payment_not_credited", payment_id=str(payment.payment_id), error=str(error), alert="operator")
    return finished


async def _unfinished(connection: Connection, older_than_seconds: float) -> Sequence[Payment]:
    return [_payment(row) for row in await connection.fetch(_UNFINISHED, older_than_seconds)]


def _payment(row: Any) -> Payment:
    return Payment(**dict(row))


def _problem(status: int, code: str, detail: str, told: Told) -> Problem:
    """Somebody has paid, or says so, and it does not fit: an operator has to look."""
    log.error(code, provider=told.provider, provider_ref=told.provider_ref, detail=detail, alert="operator")
    return Problem(status, code, "This payment does not fit", detail)
