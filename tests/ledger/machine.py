"""A Hypothesis state machine that drives the real engine on a real PostgreSQL beside the oracle.

After every step the answers are compared, the account rows and counters are the oracle's, and `verify` finds nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from bursar.foundation.ids import new_id, operator_account_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import (
    Command,
    CostSource,
    Expire,
    Extend,
    Granted,
    IdempotencyKey,
    LimitSet,
    MoveToWallet,
    Outcome,
    Post,
    Posted,
    Release,
    Reserve,
    Settle,
    Settled,
    TransferKind,
)
from bursar.ledger.verify import verify
from tests.ledger.books_support import change_terms, create_mandate
from tests.ledger.oracle import Answer, Oracle, OracleTerms
from tests.ledger.world import World

AMOUNTS = st.integers(0, 300)
SOME = st.integers(1, 300)
ACCOUNTS = st.sampled_from(["pool", "pool", "anna", "ben"])
WALLETS = st.sampled_from(["anna", "ben"])
MODELS = st.sampled_from(["PREPAY_MANDATE", "PREPAY_USER", "POSTPAY", "UNLIMITED"])
FIGURES = {"BALANCE_EXHAUSTED", "REQUEST_TOO_LARGE", "FUNDS_HELD", "LIMIT_REACHED"}


def zone_where_it_is_noon() -> str:
    """So that no period ends while the test runs."""
    offset = datetime.now(UTC).hour - 12
    return f"Etc/GMT{offset:+d}" if offset else "Etc/GMT"


class LedgerMachine(RuleBasedStateMachine):
    world: ClassVar[World]
    limits = Bundle("limits")

    @initialize(
        model=MODELS,
        share=st.sampled_from([10, 50, 100]),
        below=st.none() | st.integers(0, 50),
        funds=st.sampled_from([0, 500, 2000]),
    )
    def open_mandate(self, model: str, share: int, below: int | None, funds: int) -> None:
        self.oracle = Oracle(OracleTerms(model, 100, below, share))
        self.ids: dict[str, UUID] = {name: new_id() for name in ("anna", "ben", "key1", "key2")}
        self.mandate_id = self.world.run(
            create_mandate(
                self.world.database,
                billing_model=model,  # type: ignore[arg-type]
                credit_limit_nanos=100,
                exhausted_below_nanos=below,
                max_hold_share_percent=share,
                time_zone=zone_where_it_is_noon(),
            )
        )
        self.ids["pool"] = self.mandate_id
        self.count = 0
        if funds:
            for account in ("pool", "anna"):
                self.top_up(account, funds)

    # --- around ------------------------------------------------------------------------------------------------------

    @rule(
        model=MODELS, line=AMOUNTS, share=st.sampled_from([10, 50, 100]), active=st.sampled_from([True] * 4 + [False])
    )
    def change_terms(self, model: str, line: int, share: int, active: bool) -> None:
        self.oracle.terms = OracleTerms(model, line, self.oracle.terms.exhausted_below, share, active)
        self.world.run(
            change_terms(
                self.world.database,
                self.mandate_id,
                billing_model=model,
                credit_limit_nanos=line,
                max_hold_share_percent=share,
                status="active" if active else "suspended",
            )
        )

    @rule(account=ACCOUNTS, amount=SOME)
    def top_up(self, account: str, amount: int) -> None:
        self.check(self.post(TransferKind.TOP_UP, account, amount), self.oracle.top_up(account, amount))

    @rule(account=ACCOUNTS, amount=st.integers(-200, 200).filter(bool))
    def correct(self, account: str, amount: int) -> None:
        self.check(self.post(TransferKind.CORRECTION, account, amount), self.oracle.correct(account, amount))

    @rule(account=ACCOUNTS, amount=SOME)
    def refund(self, account: str, amount: int) -> None:
        self.check(self.post(TransferKind.REFUND, account, amount), self.oracle.refund(account, amount))

    @rule(wallet=WALLETS, amount=st.integers(-200, 200).filter(bool))
    def to_wallet(self, wallet: str, amount: int) -> None:
        command = MoveToWallet(
            mandate_id=self.mandate_id,
            transfer_id=new_id(),
            account_id=self.mandate_id,
            wallet_id=self.ids[wallet],
            amount_nanos=amount,
        )
        self.check(command, self.oracle.to_wallet(wallet, amount))

    # --- limits ------------------------------------------------------------------------------------------------------

    @rule(
        target=limits,
        scope=st.sampled_from(["mandate", "user", "key", "model"]),
        who=st.sampled_from([0, 1]),
        period=st.sampled_from(["day", "week", "month", "total"]),
        amount=AMOUNTS,
    )
    def create_limit(self, scope: Any, who: int, period: Any, amount: int) -> tuple[str, UUID | None]:
        names = {
            "mandate": "pool",
            "user": ("anna", "ben")[who],
            "key": ("key1", "key2")[who],
            "model": ("m", "n")[who],
        }
        name = f"limit{len(self.oracle.limits)}"
        scope_id = names[scope] if scope == "model" else str(self.ids[names[scope]])
        outcome = self.world.run(
            self.world.ledger.create_limit(
                self.mandate_id, scope=scope, scope_id=scope_id, period=period, amount_nanos=amount
            )
        )
        expected = self.oracle.create_limit(name, scope, names[scope], period, amount)
        assert answer_of(outcome) == expected
        return (name, outcome.limit_id) if isinstance(outcome, LimitSet) else (name, None)

    @rule(limit=limits, amount=AMOUNTS)
    def change_limit(self, limit: tuple[str, UUID | None], amount: int) -> None:
        name, limit_id = limit
        if limit_id is not None:
            outcome = self.world.run(self.world.ledger.change_limit(self.mandate_id, limit_id, amount))
            assert answer_of(outcome) == self.oracle.change_limit(name, amount)

    @rule(limit=limits)
    def delete_limit(self, limit: tuple[str, UUID | None]) -> None:
        name, limit_id = limit
        if limit_id is not None:
            outcome = self.world.run(self.world.ledger.delete_limit(self.mandate_id, limit_id))
            assert answer_of(outcome) == self.oracle.delete_limit(name)

    # --- calls -------------------------------------------------------------------------------------------------------

    @rule(
        assumed=st.none() | MODELS,
        minimum=AMOUNTS,
        more=AMOUNTS,
        bound=AMOUNTS,
        wallet=WALLETS,
        key=st.sampled_from(["key1", "key2", None]),
        model=st.sampled_from(["m", "n", None]),
    )
    def reserve(
        self,
        assumed: str | None,
        minimum: int,
        more: int,
        bound: int,
        wallet: str,
        key: str | None,
        model: str | None,
    ) -> None:
        self.check(*self.plan_reserve(assumed, minimum, more, bound, wallet, key, model))

    @rule(minimum=st.integers(0, 60), more=AMOUNTS, wallet=WALLETS)
    def reserve_plainly(self, minimum: int, more: int, wallet: str) -> None:
        self.check(*self.plan_reserve(None, minimum, more, minimum // 2, wallet, "key1", "m"))

    def plan_reserve(
        self, assumed: str | None, minimum: int, more: int, bound: int, user: str, key: str | None, model: str | None
    ) -> tuple[Reserve, Answer]:
        self.count += 1
        name = f"hold{self.count}"
        self.ids[name] = new_id()
        billing_model = assumed or self.oracle.terms.model
        payer = user if billing_model == "PREPAY_USER" else "pool"
        scopes = {"mandate": "pool", "user": user, "key": key, "model": model}
        answer = self.oracle.reserve(
            name,
            payer,
            billing_model,
            minimum,
            minimum + more,
            bound,
            {s: i for s, i in scopes.items() if i is not None},
        )
        command = Reserve(
            mandate_id=self.mandate_id,
            hold_id=self.ids[name],
            account_id=self.ids[payer],
            payer="pool" if payer == "pool" else "wallet",
            billing_model=billing_model,  # type: ignore[arg-type]
            minimum_nanos=minimum,
            desired_nanos=minimum + more,
            input_bound_nanos=bound,
            user_id=self.ids[user],
            key_id=self.ids[key] if key else None,
            model=model,
        )
        return command, answer

    @precondition(lambda self: self.oracle.holds)
    @rule(data=st.data(), minimum=AMOUNTS, more=AMOUNTS, used=st.none() | AMOUNTS)
    def extend(self, data: st.DataObject, minimum: int, more: int, used: int | None) -> None:
        hold = self.pick(data, "PENDING")
        command = Extend(
            **self.on(hold), minimum_total_nanos=minimum, desired_total_nanos=minimum + more, used_nanos=used
        )
        self.check(command, self.oracle.extend(hold, minimum, minimum + more, used))

    @precondition(lambda self: self.oracle.holds)
    @rule(data=st.data(), actual=st.integers(0, 500))
    def settle(self, data: st.DataObject, actual: int) -> None:
        hold = self.pick(data, "PENDING", "EXPIRED")
        self.check(self.settle_command(hold, actual), self.oracle.settle(hold, actual))

    @precondition(lambda self: self.oracle.holds)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        hold = self.pick(data, "PENDING", "EXPIRED")
        self.check(Release(**self.on(hold)), self.oracle.release(hold))

    @precondition(lambda self: self.oracle.holds)
    @rule(data=st.data(), due=st.sampled_from([True, True, True, False]))
    def expire(self, data: st.DataObject, due: bool) -> None:
        hold = self.pick(data, "PENDING")
        if due:
            self.world.run(
                self.world.database.ledger_pool.execute(
                    "UPDATE hold SET expires_at = created_at - interval '1 second'"
                    " WHERE mandate_id = $1 AND hold_id = $2 AND state = 'PENDING'",
                    self.mandate_id,
                    self.ids[hold],
                )
            )
        answer = self.oracle.expire(hold, due)
        self.check(Expire(**self.on(hold), transfer_id=new_id()), answer)

    def pick(self, data: st.DataObject, *states: str) -> str:
        """Some hold, preferably in one of these states."""
        names = [name for name, hold in self.oracle.holds.items() if hold.state in states]
        if not names or data.draw(st.integers(0, 9)) == 9:
            names = list(self.oracle.holds)
        return data.draw(st.sampled_from(names))

    @rule(data=st.data(), size=st.integers(2, 6))
    def several_at_once(self, data: st.DataObject, size: int) -> None:
        """One batch: what ends calls is decided first, then what begins them, each in its order."""
        pending = [name for name, hold in self.oracle.holds.items() if hold.state == "PENDING"]
        planned: list[tuple[Command, Answer]] = []
        for _ in range(size // 2):
            if pending:
                name = data.draw(st.sampled_from(pending))
                actual = data.draw(AMOUNTS)
                planned.append((self.settle_command(name, actual), self.oracle.settle(name, actual)))
        for _ in range(size):
            minimum, more, user = data.draw(AMOUNTS), data.draw(AMOUNTS), data.draw(WALLETS)
            planned.append(self.plan_reserve(None, minimum, more, 0, user, "key1", "m"))
        outcomes = self.world.run(_gather(self.world.ledger, [command for command, _ in planned]))
        assert [answer_of(outcome) for outcome in outcomes] == [answer for _, answer in planned]

    # --- sent again --------------------------------------------------------------------------------------------------

    @rule(account=ACCOUNTS, amount=st.sampled_from([-70, 40, 90]), number=st.integers(0, 3))
    def correct_with_key(self, account: str, amount: int, number: int) -> None:
        self.again(account, amount, number)

    def again(self, account: str, amount: int, number: int) -> None:
        """The same key with the same body answers the same, with another one conflicts; refusals are not remembered."""
        key, body = f"key{number}", f"{account} {amount}"
        seen = self.oracle.remembered.get(key)
        if seen is None:
            answer = self.oracle.correct(account, amount)
            if answer[0] != "no":
                self.oracle.remembered[key] = (body, answer)
        else:
            answer = seen[1] if seen[0] == body else ("no", "IDEMPOTENCY_CONFLICT")
        idempotency = IdempotencyKey("tests", "corrections", key, hashlib.sha256(body.encode()).digest())
        self.check(self.post(TransferKind.CORRECTION, account, amount, idempotency), answer)

    # --- how it is told ----------------------------------------------------------------------------------------------

    def on(self, hold: str) -> dict[str, Any]:
        known = self.oracle.holds.get(hold)
        account_id = self.ids[known.payer] if known is not None else self.mandate_id
        return {"mandate_id": self.mandate_id, "hold_id": self.ids[hold], "account_id": account_id}

    def settle_command(self, hold: str, actual: int) -> Settle:
        return Settle(**self.on(hold), transfer_id=new_id(), actual_nanos=actual, cost_source=CostSource.PROVIDER_USAGE)

    def post(self, kind: TransferKind, account: str, amount: int, idempotency: IdempotencyKey | None = None) -> Post:
        return Post(
            mandate_id=self.mandate_id,
            transfer_id=new_id(),
            account_id=self.ids[account],
            payer="pool" if account == "pool" else "wallet",
            kind=kind,
            amount_nanos=amount,
            idempotency=idempotency,
        )

    def check(self, command: Command, expected: Answer) -> None:
        assert answer_of(self.world.run(self.world.ledger.submit(command))) == expected

    # --- after every step --------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_wrong(self) -> None:
        if hasattr(self, "mandate_id"):
            found = self.world.run(verify(self.world.database.ledger_pool, self.mandate_id, thorough=True))
            assert [violation for violation in found if not violation.is_warning] == []

    @invariant()
    def the_rows_are_the_oracles(self) -> None:
        if not hasattr(self, "mandate_id"):
            return
        rows = self.world.run(
            self.world.database.ledger_pool.fetch(
                "SELECT account_id, credits_posted - debits_posted, debits_pending FROM account WHERE mandate_id = $1",
                self.mandate_id,
            )
        )
        names = {self.ids[name]: name for name in ("pool", "anna", "ben")}
        for kind in ("funding", "revenue", "overrun_loss"):
            names[operator_account_id(self.mandate_id, kind)] = kind
        for account_id, balance, held in rows:
            name = names[account_id]
            assert (name, balance, held) == (name, self.oracle.balance(name), self.oracle.held(name))
        if not self.oracle.terms.line:
            assert all(self.oracle.balance(wallet) >= 0 for wallet in ("anna", "ben"))


async def _gather(ledger: Ledger, commands: list[Command]) -> list[Outcome]:
    return await asyncio.gather(*(ledger.submit(command) for command in commands))


def answer_of(outcome: Outcome | LimitSet) -> Answer:
    """The engine's outcome in the oracle's words."""
    match outcome:
        case Granted():
            return ("granted", outcome.amount_nanos, outcome.available_nanos)
        case Settled():
            return ("settled", outcome.state, outcome.charged_nanos, outcome.overrun_nanos)
        case Posted():
            return ("posted", outcome.balance_nanos)
        case LimitSet():
            return ("limit", outcome.amount_nanos, outcome.spent_nanos, outcome.held_nanos)
    figures: Answer = ()
    if outcome.reason in FIGURES:
        figures = (outcome.required_nanos, outcome.available_nanos, outcome.held_nanos)
    if outcome.limit is not None:
        figures = (*figures, outcome.limit.scope, outcome.limit.period)
    return ("no", str(outcome.reason), *figures)
