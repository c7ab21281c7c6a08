"""Scenarios of the ledger as text: one step a line, and what comes of it in the last column.

They run on the pure core: books, `decide`, `apply`. Amounts are in units, times in seconds. A step that is written

    reserve a 2..5 by anna      | granted 5

asks for hold `a` with a minimum of 2 and a desire of 5, for the user anna. The verdict may leave out trailing figures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec

from bursar.foundation.ids import operator_account_id
from bursar.foundation.money import format_amount, parse_amount
from bursar.ledger.books import Books, apply
from bursar.ledger.check import unfit
from bursar.ledger.decide import decide
from bursar.ledger.decision import available
from bursar.ledger.model import (
    Account,
    Command,
    CostSource,
    Expire,
    Extend,
    Granted,
    IdempotencyKey,
    LimitCounter,
    LimitKey,
    MoveToWallet,
    Outcome,
    Payer,
    Post,
    Posted,
    Reason,
    Rejected,
    Release,
    Reserve,
    Settle,
    Settled,
    Terms,
    TransferKind,
)

MANDATE = UUID("c0ffee00-0000-4000-8000-000000000000")
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNTS = ("funding", "revenue", "overrun_loss")


def name_to_id(name: str) -> UUID:
    return uuid5(MANDATE, name)


def nanos(text: str) -> int:
    return parse_amount(text, field="amount", allow_negative=True, allow_zero=True)


def units(amount: int) -> str:
    return format_amount(amount).rstrip("0").rstrip(".")


class Stage:
    """The books of one mandate, and the words that move them."""

    def __init__(self) -> None:
        self.books = Books()
        self.now = START
        self.terms(["PREPAY_MANDATE"])
        self._open(MANDATE, "pool")
        for kind in ACCOUNTS:
            self._open(operator_account_id(MANDATE, kind), kind)  # type: ignore[arg-type]
        self._accounts: dict[str, UUID] = {}
        self._transfers = 0

    def _open(self, account_id: UUID, kind: Any) -> None:
        self.books.accounts.setdefault((MANDATE, account_id), Account(MANDATE, account_id, kind))

    def account(self, name: str) -> UUID:
        if name == "pool":
            return MANDATE
        if name in ACCOUNTS:
            return operator_account_id(MANDATE, name)  # type: ignore[arg-type]
        self._open(name_to_id(name), "wallet")
        return name_to_id(name)

    def step(self, line: str) -> str:
        """What comes of one step."""
        words = line.split()
        if words[0].startswith("+"):
            self.now += timedelta(seconds=float(words[0][1:].rstrip("s")))
            return "ok"
        act: Callable[[list[str]], str] = getattr(self, words[0].replace("-", "_"))
        return act(words[1:])

    # --- the world around --------------------------------------------------------------------------------------------

    def terms(self, words: list[str]) -> str:
        """`terms MODEL [line X] [below X] [share N] [inactive]`"""
        said = _options(words[1:])
        model: Any = words[0]
        self.books.terms[MANDATE] = Terms(
            MANDATE,
            "inactive" not in said,
            model,
            nanos(said["line"]) if model == "POSTPAY" else 0,
            nanos(said["below"]) if "below" in said else None,
            int(said.get("share", "100")),
        )
        return "ok"

    def limit(self, words: list[str]) -> str:
        """`limit SCOPE:ID PERIOD AMOUNT [spent X] [deleted]`, or `limit SCOPE:ID PERIOD` to see what it counts."""
        scope, _, scope_id = words[0].partition(":")
        scope_id = {"mandate": str(MANDATE), "model": scope_id}.get(scope) or str(name_to_id(scope_id))
        key = LimitKey(name_to_id(words[0] + words[1]), START)
        if len(words) == 2:
            counter = self.books.counters[MANDATE, key]
            return f"spent {units(counter.spent_nanos)} held {units(counter.held_nanos)}"
        said = _options(words[3:])
        before = self.books.counters.get((MANDATE, key))
        kind: Any = scope
        period: Any = words[1]
        self.books.counters[MANDATE, key] = LimitCounter(
            MANDATE,
            key,
            kind,
            scope_id,
            period,
            START + timedelta(days=1),
            nanos(words[2]),
            nanos(said["spent"]) if "spent" in said else before.spent_nanos if before else 0,
            before.held_nanos if before else 0,
            "deleted" not in said,
        )
        in_force = self.books.counters_in_force.setdefault((MANDATE, scope, scope_id), [])
        if "deleted" in said:
            in_force.remove(key)
        elif key not in in_force:
            in_force.append(key)
        return "ok"

    def see(self, words: list[str]) -> str:
        """`see ACCOUNT`"""
        account = self.books.accounts[MANDATE, self.account(words[0])]
        free = available(account, self.books.terms[MANDATE])
        return f"balance {units(account.balance)} held {units(account.debits_pending)} available {units(free)}"

    # --- commands ----------------------------------------------------------------------------------------------------

    def reserve(self, words: list[str]) -> str:
        """`reserve HOLD MIN..DESIRED [wallet W] [by U] [key K] [of MODEL] [bound X] [ttl N] [as MODEL] [again K B]`"""
        said = _options(words[2:])
        minimum, _, desired = words[1].partition("..")
        payer: Payer = "wallet" if "wallet" in said else "pool"
        model: Any = said.get("as", self.books.terms[MANDATE].billing_model)
        return self._do(
            Reserve(
                mandate_id=MANDATE,
                hold_id=name_to_id(words[0]),
                account_id=self.account(said.get("wallet", "pool")),
                payer=payer,
                billing_model=model,
                minimum_nanos=nanos(minimum),
                desired_nanos=nanos(desired or minimum),
                input_bound_nanos=nanos(said.get("bound", "0")),
                ttl_seconds=int(said.get("ttl", "60")),
                user_id=name_to_id(said["by"]) if "by" in said else None,
                key_id=name_to_id(said["key"]) if "key" in said else None,
                model=said.get("of"),
                idempotency=_key(said, " ".join(words)),
            )
        )

    def extend(self, words: list[str]) -> str:
        """`extend HOLD MIN..DESIRED [used X]`: totals"""
        said = _options(words[2:])
        minimum, _, desired = words[1].partition("..")
        return self._do(
            Extend(
                mandate_id=MANDATE,
                hold_id=name_to_id(words[0]),
                account_id=self._payer_of(words[0], said),
                minimum_total_nanos=nanos(minimum),
                desired_total_nanos=nanos(desired or minimum),
                used_nanos=nanos(said["used"]) if "used" in said else None,
            )
        )

    def settle(self, words: list[str]) -> str:
        """`settle HOLD ACTUAL [again K]`"""
        said = _options(words[2:])
        return self._do(
            Settle(
                mandate_id=MANDATE,
                hold_id=name_to_id(words[0]),
                account_id=self._payer_of(words[0], said),
                transfer_id=self._transfer(),
                actual_nanos=nanos(words[1]),
                cost_source=CostSource.PROVIDER_USAGE,
                idempotency=_key(said, " ".join(words)),
            )
        )

    def release(self, words: list[str]) -> str:
        return self._do(
            Release(
                mandate_id=MANDATE,
                hold_id=name_to_id(words[0]),
                account_id=self._payer_of(words[0], _options(words[1:])),
            )
        )

    def expire(self, words: list[str]) -> str:
        account_id = self._payer_of(words[0], {})
        return self._do(
            Expire(
                mandate_id=MANDATE,
                hold_id=name_to_id(words[0]),
                account_id=account_id,
                transfer_id=self._transfer(),
            )
        )

    def top_up(self, words: list[str]) -> str:
        return self._post(TransferKind.TOP_UP, words)

    def correct(self, words: list[str]) -> str:
        return self._post(TransferKind.CORRECTION, words)

    def refund(self, words: list[str]) -> str:
        return self._post(TransferKind.REFUND, words)

    def charge(self, words: list[str]) -> str:
        return self._post(TransferKind.CHARGE, words)

    def to_wallet(self, words: list[str]) -> str:
        """`to-wallet W AMOUNT`"""
        return self._do(
            MoveToWallet(
                mandate_id=MANDATE,
                transfer_id=self._transfer(),
                account_id=MANDATE,
                wallet_id=self.account(words[0]),
                amount_nanos=nanos(words[1]),
            )
        )

    def _post(self, kind: TransferKind, words: list[str]) -> str:
        said = _options(words[1:])
        return self._do(
            Post(
                mandate_id=MANDATE,
                transfer_id=self._transfer(),
                account_id=self.account(said.get("wallet", "pool")),
                payer="wallet" if "wallet" in said else "pool",
                kind=kind,
                amount_nanos=nanos(words[0]),
                idempotency=_key(said, " ".join(words)),
            )
        )

    def _payer_of(self, hold: str, said: dict[str, str]) -> UUID:
        if "wallet" in said:
            return self.account(said["wallet"])
        found = self.books.holds.get((MANDATE, name_to_id(hold)))
        return found.account_id if found is not None else MANDATE

    def _transfer(self) -> UUID:
        self._transfers += 2
        return UUID(int=self._transfers)

    def _do(self, command: Command) -> str:
        wrong = unfit(command)
        if wrong is not None:
            return verdict(Rejected(Reason.OUT_OF_RANGE, detail=wrong))
        events, outcome, _ = decide(self.books, command, self.now)
        for event in events:
            apply(self.books, event)
        key = getattr(command, "idempotency", None)
        if key is not None and not isinstance(outcome, Rejected):
            self.books.remembered[MANDATE, key.caller, key.route, key.key] = (key.body_hash, outcome)
        return verdict(outcome)


def _key(said: dict[str, str], body: str) -> IdempotencyKey | None:
    if "again" not in said:
        return None
    return IdempotencyKey(said.get("caller", "app"), "route", said["again"], hashlib.sha256(body.encode()).digest())


def _options(words: list[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    rest = list(words)
    while rest:
        name = rest.pop(0)
        said[name] = "" if name in ("inactive", "deleted") else rest.pop(0)
    return said


def verdict(outcome: Outcome) -> str:
    match outcome:
        case Granted():
            had = "" if outcome.available_nanos is None else f" of {units(outcome.available_nanos)}"
            return f"granted {units(outcome.amount_nanos)}{had}"
        case Settled():
            overrun = f" overrun {units(outcome.overrun_nanos)}" if outcome.overrun_nanos else ""
            return f"{outcome.state.lower()} {units(outcome.charged_nanos)}{overrun}"
        case Posted():
            return f"balance {units(outcome.balance_nanos or 0)}"
        case Rejected():
            limit = f" {outcome.limit.scope} {outcome.limit.period}" if outcome.limit is not None else ""
            figures = outcome.required_nanos, outcome.available_nanos, outcome.held_nanos
            needs, free, held = map(units, figures)
            return f"{outcome.reason}{limit} needs {needs} available {free} held {held}"


def play(table: str) -> None:
    """Raises `AssertionError` with the table as it really went."""
    stage = Stage()
    right = True
    went: list[str] = []
    for line in table.strip().splitlines():
        step, bar, expected = (part.strip() for part in line.partition("|"))
        if not step or step.startswith("#"):
            continue
        verdict = stage.step(step)
        as_expected = not bar or verdict == expected or verdict.startswith(expected + " ")
        right = right and as_expected
        went.append(f"{step:45} | {verdict}" + ("" if as_expected else f"        <-- expected: {expected}"))
    _check_books(stage.books)
    assert right, "\n" + "\n".join(went)


def _check_books(books: Books) -> None:
    """What holds of any books after any scenario."""
    accounts = list(books.accounts.values())
    assert sum(a.credits_posted for a in accounts) == sum(a.debits_posted for a in accounts)
    for account in accounts:
        holds = [h for h in books.holds.values() if h.account_id == account.account_id and h.state == "PENDING"]
        assert account.debits_pending == sum(hold.amount_nanos for hold in holds), msgspec.to_builtins(account)
        assert account.kind != "wallet" or account.balance >= account.debits_pending


def scenarios(text: str) -> list[tuple[str, str]]:
    """Split `## heading` blocks: what the rule says, and the table that shows it."""
    found: list[tuple[str, str]] = []
    for block in text.split("\n## ")[1:]:
        heading, _, table = block.partition("\n")
        found.append((heading.strip(), table))
    assert len({heading for heading, _ in found}) == len(found), "a heading stands twice"
    return found
