"""`GET /v1/balance`: who pays for the caller's calls, what is left, which limits apply, as far as they may see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from bursar.billing.models import BillingModel, may_see_cap
from bursar.foundation.money import format_amount
from bursar.gateway.admission import ledger_unavailable
from bursar.gateway.callers import CallParty
from bursar.gateway.views import View
from bursar.ledger.model import LIMIT_SCOPES_IN_ORDER
from bursar.ledger.periods import period_bounds

_ACCOUNT: Final = """
    SELECT credits_posted - debits_posted AS balance, debits_pending FROM account
     WHERE mandate_id = $1 AND account_id = $2"""

_SETTLED: Final = """
    SELECT coalesce(sum(CASE WHEN debit_account_id = $2 THEN amount_nanos ELSE -amount_nanos END), 0)::bigint
      FROM transfer
     WHERE mandate_id = $1 AND at >= $3 AND kind IN ('CHARGE', 'LATE_ADJUSTMENT')
       AND $2 IN (debit_account_id, credit_account_id) AND ($4::uuid IS NULL OR user_id = $4)"""

_LIMITS: Final = """
    SELECT l.scope, l.scope_id, l.period, l.amount_nanos, c.period_start,
           coalesce(c.opening_nanos + c.spent_nanos, 0) AS spent_nanos, coalesce(c.held_nanos, 0) AS held_nanos
      FROM spending_limit l
      LEFT JOIN LATERAL (SELECT * FROM limit_counter c
                          WHERE c.mandate_id = l.mandate_id AND c.limit_id = l.limit_id
                            AND c.period_start <= $4 AND c.period_end > $4
                          ORDER BY c.period_start DESC LIMIT 1) c ON true
     WHERE l.mandate_id = $1 AND l.deleted_at IS NULL
       AND (l.scope IN ('mandate', 'model') OR (l.scope = 'user' AND l.scope_id = $2)
            OR (l.scope = 'key' AND l.scope_id = $3))"""


class BalanceView(View):
    """Amounts are `null` for who may not see the account; a member still sees what their own calls have cost."""

    async def show(self, party: CallParty) -> Any:
        mandate, seen = party.mandate, party.sees_account
        at = self.gateway.wiring.clock.now()
        month_start, _ = period_bounds("month", at, mandate.time_zone)
        user_id = party.person.user_id if party.person is not None else None
        try:
            async with self.gateway.wiring.database.as_mandate(mandate.mandate_id) as connection:
                account = await connection.fetchrow(_ACCOUNT, mandate.mandate_id, party.account_id)
                settled: int = await connection.fetchval(
                    _SETTLED, mandate.mandate_id, party.account_id, month_start, None if seen else user_id
                )
                limits = await connection.fetch(_LIMITS, mandate.mandate_id, str(user_id), str(party.caller.key_id), at)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ledger_unavailable(1) from error
        balance, held = (account[0], account[1]) if account is not None else (0, 0)
        credit = (mandate.credit_limit_nanos or 0) if mandate.billing_model == "POSTPAY" else 0
        unlimited = mandate.billing_model == "UNLIMITED"
        return {
            "payer": party.payer,
            "billingModel": mandate.billing_model,
            "currency": mandate.currency,
            "available": format_amount(balance - held + credit) if seen and not unlimited else None,
            "held": format_amount(held) if seen else None,
            "settledThisMonth": format_amount(settled) if seen or user_id is not None else None,
            "limits": self._limits(party, limits, at),
        }

    def _limits(self, party: CallParty, rows: Sequence[Any], at: datetime) -> list[dict[str, Any]]:
        model = BillingModel(party.mandate.billing_model)
        limits = []
        for row in sorted(rows, key=lambda each: LIMIT_SCOPES_IN_ORDER.index(each["scope"])):
            seen = may_see_cap(model, row["scope"], party.viewer)
            _, period_end = period_bounds(row["period"], at, party.mandate.time_zone)
            resets = None if row["period"] == "total" else period_end.strftime("%Y-%m-%dT%H:%M:%SZ")
            amounts = {
                name: format_amount(row[f"{name}_nanos"]) if seen else None for name in ("amount", "spent", "held")
            }
            about = {"scope": row["scope"], "scopeId": row["scope_id"], "period": row["period"]}
            limits.append({**about, **amounts, "resetsAt": resets})
        return limits
