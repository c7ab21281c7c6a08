"""What the ledger must answer, worked out the simple way from MONEY.md: lists of facts, and sums over all of them.

It knows no versions, no counters, no batches, and imports nothing of the ledger. Amounts are nanos.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Answer = tuple[object, ...]
SCOPES = ("key", "user", "model", "mandate")
FUNDING, REVENUE, LOSS = "funding", "revenue", "overrun_loss"


@dataclass
class OracleTerms:
    model: str = "PREPAY_MANDATE"
    line: int = 0
    exhausted_below: int | None = None
    share_percent: int = 100
    active: bool = True


@dataclass
class OracleHold:
    payer: str
    amount: int
    input_bound: int
    scopes: dict[str, str]
    used: int | None = None
    state: Literal["PENDING", "SETTLED", "RELEASED", "EXPIRED"] = "PENDING"
    charged: int = 0
    overrun: int = 0
    adjusted: bool = False


@dataclass
class OracleLimit:
    scope: str
    scope_id: str
    period: str
    amount: int
    deleted: bool = False
    number: int = 0


@dataclass
class Moved:
    source: str
    target: str
    amount: int
    top_up: bool = False


@dataclass
class Oracle:
    terms: OracleTerms = field(default_factory=OracleTerms)
    moved: list[Moved] = field(default_factory=list)
    holds: dict[str, OracleHold] = field(default_factory=dict)
    limits: dict[str, OracleLimit] = field(default_factory=dict)
    remembered: dict[str, tuple[object, Answer]] = field(default_factory=dict)

    # --- sums --------------------------------------------------------------------------------------------------------

    def balance(self, account: str) -> int:
        money_in = sum(m.amount for m in self.moved if m.target == account)
        return money_in - sum(m.amount for m in self.moved if m.source == account)

    def held(self, account: str) -> int:
        return sum(h.amount for h in self.holds.values() if h.payer == account and h.state == "PENDING")

    def line(self, account: str) -> int:
        return self.terms.line if account == "pool" and self.terms.model == "POSTPAY" else 0

    def available(self, account: str) -> int:
        return self.balance(account) - self.held(account) + self.line(account)

    def never_refused(self, account: str) -> bool:
        return account == "pool" and self.terms.model == "UNLIMITED"

    def limit_spent(self, limit: OracleLimit) -> int:
        return sum(h.charged for h in self.holds.values() if h.scopes.get(limit.scope) == limit.scope_id)

    def limit_held(self, limit: OracleLimit) -> int:
        holds = [h for h in self.holds.values() if h.scopes.get(limit.scope) == limit.scope_id]
        return sum(h.amount for h in holds if h.state == "PENDING")

    def _limits_on(self, scopes: dict[str, str]) -> list[OracleLimit]:
        found = [x for x in self.limits.values() if not x.deleted and scopes.get(x.scope) == x.scope_id]
        return sorted(found, key=lambda x: (SCOPES.index(x.scope), x.number))

    def _exhausted_below(self, account: str) -> int:
        if self.terms.exhausted_below is not None:
            return self.terms.exhausted_below
        top_ups = [m.amount for m in self.moved if m.target == account and m.top_up]
        return min(1_000_000_000, (top_ups[-1] if top_ups else 0) * 5 // 100)

    # --- beginning ---------------------------------------------------------------------------------------------------

    def reserve(
        self,
        hold: str,
        payer: str,
        assumed: str,
        minimum: int,
        desired: int,
        input_bound: int,
        scopes: dict[str, str],
    ) -> Answer:
        if not self.terms.active:
            return ("no", "MANDATE_NOT_ACTIVE")
        if assumed != self.terms.model:
            return ("no", "TERMS_CHANGED")
        before = None if self.never_refused(payer) else self.available(payer)
        granted = self._grant(payer, minimum, desired, 0, scopes)
        if isinstance(granted, int):
            self.holds[hold] = OracleHold(payer, granted, input_bound, scopes)
            return ("granted", granted, before)
        return granted

    def extend(self, name: str, minimum_total: int, desired_total: int, used: int | None) -> Answer:
        hold = self.holds.get(name)
        if hold is None:
            return ("no", "HOLD_NOT_FOUND")
        if hold.state != "PENDING":
            return ("no", "HOLD_RESOLVED")
        if not self.terms.active:
            return ("no", "MANDATE_NOT_ACTIVE")
        before = None if self.never_refused(hold.payer) else self.available(hold.payer)
        if hold.amount < minimum_total:
            own = hold.amount
            granted = self._grant(hold.payer, minimum_total - own, desired_total - own, own, hold.scopes)
            if not isinstance(granted, int):
                return granted
            hold.amount += granted
        if used is not None:
            hold.used = used if hold.used is None else max(hold.used, used)
        return ("granted", hold.amount, before)

    def _grant(self, payer: str, minimum: int, desired: int, own: int, scopes: dict[str, str]) -> int | Answer:
        figures = (minimum, self.available(payer), self.held(payer))
        limits = self._limits_on(scopes)
        for limit in limits:
            if limit.amount - self.limit_spent(limit) - own < minimum:
                return ("no", "LIMIT_REACHED", *figures, limit.scope, limit.period)
        most = [desired]
        if not self.never_refused(payer):
            has = self.balance(payer) + self.line(payer)
            if has - own < minimum:
                empty = has - own <= 0 or has - own < self._exhausted_below(payer)
                return ("no", "BALANCE_EXHAUSTED" if empty else "REQUEST_TOO_LARGE", *figures)
            most.append(max(minimum, has * self.terms.share_percent // 100 - own))
            most.append(self.available(payer))
        most += [limit.amount - self.limit_spent(limit) - self.limit_held(limit) for limit in limits]
        return min(most) if min(most) >= minimum else ("no", "FUNDS_HELD", *figures)

    # --- ending ------------------------------------------------------------------------------------------------------

    def settle(self, name: str, actual: int) -> Answer:
        hold = self.holds.get(name)
        if hold is None:
            return ("no", "HOLD_NOT_FOUND")
        if hold.state == "RELEASED":
            return ("no", "HOLD_RESOLVED")
        if hold.state == "PENDING":
            hold.state = "SETTLED"
            self._bear(hold, actual, hold.amount)
        elif hold.state == "EXPIRED" and not hold.adjusted:
            hold.adjusted = True
            self._bear(hold, actual, 0)
        return ("settled", hold.state, hold.charged, hold.overrun)

    def _bear(self, hold: OracleHold, actual: int, set_aside: int) -> None:
        """The payer bears what was set aside and what is available, the operator the rest."""
        owed = actual - hold.charged
        if owed < 0:
            self.moved.append(Moved(REVENUE, hold.payer, -owed))
            hold.charged = actual
            return
        # The hold is resolved by now, so that what was set aside is available again.
        spare = max(self.available(hold.payer) - set_aside, 0)
        borne = owed if self.never_refused(hold.payer) else min(owed, set_aside + spare)
        self.moved.append(Moved(hold.payer, REVENUE, borne))
        self.moved.append(Moved(LOSS, REVENUE, owed - borne))
        hold.charged += borne
        hold.overrun += owed - borne

    def release(self, name: str) -> Answer:
        hold = self.holds.get(name)
        if hold is None:
            return ("no", "HOLD_NOT_FOUND")
        if hold.state == "PENDING":
            hold.state = "RELEASED"
        elif hold.state == "EXPIRED" and not hold.adjusted and hold.charged:
            hold.adjusted = True
            self._bear(hold, 0, 0)
        return ("settled", hold.state, hold.charged, hold.overrun)

    def expire(self, name: str, due: bool) -> Answer:
        hold = self.holds.get(name)
        if hold is None:
            return ("no", "HOLD_NOT_FOUND")
        if hold.state == "PENDING":
            if not due:
                return ("no", "NOT_DUE")
            hold.state = "EXPIRED"
            hold.charged = min(hold.amount, hold.input_bound if hold.used is None else hold.used)
            self.moved.append(Moved(hold.payer, REVENUE, hold.charged))
        return ("settled", hold.state, hold.charged, hold.overrun)

    # --- money in and out --------------------------------------------------------------------------------------------

    def top_up(self, account: str, amount: int) -> Answer:
        self.moved.append(Moved(FUNDING, account, amount, top_up=True))
        return ("posted", self.balance(account))

    def correct(self, account: str, amount: int) -> Answer:
        if amount > 0:
            self.moved.append(Moved(FUNDING, account, amount))
        elif not self.never_refused(account) and -amount > max(0, self.available(account)):
            return ("no", "INSUFFICIENT_FUNDS")
        else:
            self.moved.append(Moved(account, FUNDING, -amount))
        return ("posted", self.balance(account))

    def refund(self, account: str, amount: int) -> Answer:
        if amount > self.balance(account) - self.held(account):
            return ("no", "INSUFFICIENT_FUNDS")
        self.moved.append(Moved(account, FUNDING, amount))
        return ("posted", self.balance(account))

    def to_wallet(self, wallet: str, amount: int) -> Answer:
        giver, taker = ("pool", wallet) if amount > 0 else (wallet, "pool")
        if abs(amount) > self.balance(giver) - self.held(giver):
            return ("no", "INSUFFICIENT_FUNDS")
        self.moved.append(Moved(giver, taker, abs(amount), top_up=taker != "pool"))
        return ("posted", self.balance("pool"))

    # --- limits ------------------------------------------------------------------------------------------------------

    def create_limit(self, name: str, scope: str, scope_id: str, period: str, amount: int) -> Answer:
        place = (scope, scope_id, period)
        if any((x.scope, x.scope_id, x.period) == place for x in self.limits.values() if not x.deleted):
            return ("no", "LIMIT_EXISTS")
        limit = OracleLimit(scope, scope_id, period, amount, number=len(self.limits))
        self.limits[name] = limit
        return ("limit", amount, self.limit_spent(limit), self.limit_held(limit))

    def change_limit(self, name: str, amount: int) -> Answer:
        limit = self.limits[name]
        if limit.deleted:
            return ("no", "LIMIT_NOT_FOUND")
        limit.amount = amount
        return ("limit", amount, self.limit_spent(limit), self.limit_held(limit))

    def delete_limit(self, name: str) -> Answer:
        limit = self.limits[name]
        if limit.deleted:
            return ("no", "LIMIT_NOT_FOUND")
        limit.deleted = True
        return ("limit", limit.amount, self.limit_spent(limit), self.limit_held(limit))
