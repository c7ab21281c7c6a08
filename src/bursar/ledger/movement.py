"""Money in, out and about: top-ups, corrections, refunds, and between pool and wallets. Pure."""

from __future__ import annotations

from datetime import datetime

from bursar.ledger.books import Books
from bursar.ledger.decision import HIGHEST_NANOS, Decision, available, is_unlimited, no, operator
from bursar.ledger.events import Transferred
from bursar.ledger.model import Account, MoveToWallet, Post, Posted, Reason, Terms, TransferKind


def post(books: Books, command: Post, at: datetime) -> Decision:
    already = books.posted.get((command.mandate_id, command.transfer_id))
    if already is not None:
        return Decision((), already)
    account = books.accounts.get((command.mandate_id, command.account_id))
    if account is None:
        return no(Reason.MANDATE_NOT_ACTIVE)
    amount = command.amount_nanos
    if not _fits(books, account, abs(amount)):
        return no(Reason.OUT_OF_RANGE)
    terms = books.terms_of(command.mandate_id)
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
        return None if is_unlimited(account, terms) else max(0, available(account, terms))
    return max(0, account.balance - account.debits_pending)


def move_to_wallet(books: Books, command: MoveToWallet, at: datetime) -> Decision:
    already = books.posted.get((command.mandate_id, command.transfer_id))
    if already is not None:
        return Decision((), already)
    pool = books.accounts.get((command.mandate_id, command.account_id))
    wallet = books.accounts.get((command.mandate_id, command.wallet_id))
    if pool is None or wallet is None:
        return no(Reason.MANDATE_NOT_ACTIVE)
    amount = command.amount_nanos
    giver, taker = (pool, wallet) if amount > 0 else (wallet, pool)
    there = max(0, giver.balance - giver.debits_pending)
    if abs(amount) > there:
        return no(Reason.INSUFFICIENT_FUNDS, required_nanos=abs(amount), available_nanos=there)
    if max(giver.debits_posted, taker.credits_posted) + abs(amount) > HIGHEST_NANOS // 2:
        return no(Reason.OUT_OF_RANGE)
    transfer = Transferred(
        command.mandate_id,
        command.transfer_id,
        at,
        TransferKind.WALLET_TRANSFER,
        giver.account_id,
        taker.account_id,
        abs(amount),
        command,
    )
    return Decision((transfer,), Posted(command.transfer_id, at, pool.balance - amount))


def _fits(books: Books, account: Account, amount: int) -> bool:
    """Whether there is room for the amount on both sides, and for as much again that calls may still move."""
    funding = books.accounts[account.mandate_id, operator(account.mandate_id, "funding")]
    sums = (account.credits_posted, account.debits_posted, funding.credits_posted, funding.debits_posted)
    return max(sums) + amount <= HIGHEST_NANOS // 2
