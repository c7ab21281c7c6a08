"""Money in, out and about: top-ups, corrections, refunds, and between pool and wallets. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bursar.foundation.money import MAX_AMOUNT_NANOS
from bursar.ledger.books import Books
from bursar.ledger.decision import Decision, available, no, operator
from bursar.ledger.events import Transferred
from bursar.ledger.model import Account, MoveToWallet, Post, Posted, Reason, Terms, TransferKind

_BIGINT_MAX: Final = 2**63 - 1


def post(books: Books, command: Post, at: datetime) -> Decision:
    already = books.posted.get((command.mandate_id, command.transfer_id))
    if already is not None:
        return Decision((), already)
    amount = command.amount_nanos
    if not 0 < abs(amount) <= MAX_AMOUNT_NANOS or (amount < 0 and command.kind is not TransferKind.CORRECTION):
        return no(Reason.OUT_OF_RANGE)
    account = books.accounts[command.mandate_id, command.account_id]
    terms = books.terms[command.mandate_id]
    if account.credits_posted + amount > _BIGINT_MAX // 2:
        return no(Reason.OUT_OF_RANGE)
    taking = command.kind is TransferKind.REFUND or amount < 0
    if taking:
        takeable = _takeable(account, terms, command.kind)
        if takeable is not None and abs(amount) > takeable:
            return no(Reason.INSUFFICIENT_FUNDS, required_nanos=abs(amount), available_nanos=takeable)
    funding = operator(command.mandate_id, "funding")
    debit, credit = (command.account_id, funding) if taking else (funding, command.account_id)
    transfer = Transferred(
        command.mandate_id, command.transfer_id, at, command.kind, debit, credit, abs(amount), command
    )
    change = -abs(amount) if taking else amount
    return Decision((transfer,), Posted(command.transfer_id, at, account.balance + change))


def _takeable(account: Account, terms: Terms, kind: TransferKind) -> int | None:
    """How much may be taken out: a refund pays out money that is there, a correction may use the credit line."""
    if kind is TransferKind.CORRECTION:
        return None if terms.unlimited else max(0, available(account, terms))
    return max(0, account.balance - account.debits_pending)


def move_to_wallet(books: Books, command: MoveToWallet, at: datetime) -> Decision:
    already = books.posted.get((command.mandate_id, command.transfer_id))
    if already is not None:
        return Decision((), already)
    amount = command.amount_nanos
    if not 0 < abs(amount) <= MAX_AMOUNT_NANOS:
        return no(Reason.OUT_OF_RANGE)
    debit, credit = (command.account_id, command.wallet_id) if amount > 0 else (command.wallet_id, command.account_id)
    giver = books.accounts[command.mandate_id, debit]
    there = max(0, giver.balance - giver.debits_pending)
    if abs(amount) > there:
        return no(Reason.INSUFFICIENT_FUNDS, required_nanos=abs(amount), available_nanos=there)
    transfer = Transferred(
        command.mandate_id,
        command.transfer_id,
        at,
        TransferKind.WALLET_TRANSFER,
        debit,
        credit,
        abs(amount),
        command,
    )
    pool = books.accounts[command.mandate_id, command.account_id]
    return Decision((transfer,), Posted(command.transfer_id, at, pool.balance - amount))
