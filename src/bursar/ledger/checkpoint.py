"""How the books go on from what was pruned: SQL about the checkpoint, for `verify` and for new caps.

Transfers stay for ever, so the sums of money need no checkpoint. What goes with a pruned hold is its part in the count
of its account's version, and the row that its transfers refer to: those must still be as many, and come to as much, as
the checkpoint says.
"""

# ruff: noqa: S608 -- the statements are put together from fragments of themselves, never from values

from __future__ import annotations

from typing import Final

_THIS: Final = "($1::uuid IS NULL OR {}mandate_id = $1)"

# Transfers whose hold is gone, on the payer's side; overruns have no payer's side and are compared by mandate.
CHECKPOINT_FOLD: Final = f"""
    WITH gone AS (
        SELECT t.mandate_id, t.hold_id, t.kind, t.amount_nanos, t.debit_account_id, t.credit_account_id,
               t.debit_version, t.credit_version
          FROM transfer t LEFT JOIN hold h ON h.mandate_id = t.mandate_id AND h.hold_id = t.hold_id
         WHERE t.hold_id IS NOT NULL AND h.hold_id IS NULL AND {_THIS.format("t.")}),
    paid AS (
        SELECT g.mandate_id, a.account_id, count(DISTINCT g.hold_id) AS paid_holds,
               sum(CASE WHEN a.account_id = g.debit_account_id THEN g.amount_nanos ELSE -g.amount_nanos END) AS charged,
               max(CASE WHEN a.account_id = g.debit_account_id THEN g.debit_version ELSE g.credit_version END)
                   AS version
          FROM gone g
          JOIN account a ON a.mandate_id = g.mandate_id AND a.kind IN ('pool', 'wallet')
               AND a.account_id IN (g.debit_account_id, g.credit_account_id)
         WHERE g.kind IN ('CHARGE', 'LATE_ADJUSTMENT') GROUP BY 1, 2),
    overrun AS (SELECT mandate_id, sum(amount_nanos) AS overrun FROM gone WHERE kind = 'OVERRUN' GROUP BY 1),
    kept AS (SELECT * FROM hold_checkpoint WHERE {_THIS.format("")}),
    kept_overrun AS (SELECT mandate_id, sum(overrun_nanos) AS overrun FROM kept GROUP BY 1),
    kept_charged AS (SELECT mandate_id, sum(charged_nanos) AS charged FROM kept GROUP BY 1)
    SELECT coalesce(k.mandate_id, p.mandate_id), 'account ' || coalesce(k.account_id, p.account_id),
           format('the checkpoint has %s charged for %s holds up to version %s; transfers without a hold say %s for %s'
                  || ' up to %s', coalesce(k.charged_nanos, 0), coalesce(k.paid_holds, 0), coalesce(k.last_version, 0),
                  coalesce(p.charged, 0), coalesce(p.paid_holds, 0), coalesce(p.version, 0))
      FROM kept k FULL JOIN paid p USING (mandate_id, account_id)
     WHERE coalesce(k.charged_nanos, 0) <> coalesce(p.charged, 0)
        OR coalesce(k.paid_holds, 0) <> coalesce(p.paid_holds, 0)
        OR coalesce(p.version, 0) > coalesce(k.last_version, 0) OR k.paid_holds > k.holds
     UNION ALL
    SELECT coalesce(k.mandate_id, o.mandate_id), 'mandate',
           format('the checkpoint has overruns of %s; transfers without a hold say %s', coalesce(k.overrun, 0),
                  coalesce(o.overrun, 0))
      FROM kept_overrun k FULL JOIN overrun o USING (mandate_id)
     WHERE coalesce(k.overrun, 0) <> coalesce(o.overrun, 0)
     UNION ALL
    SELECT coalesce(k.mandate_id, s.mandate_id), 'mandate',
           format('the checkpoint has %s charged by account and %s by scope', coalesce(k.charged, 0),
                  coalesce(s.charged_nanos, 0))
      FROM kept_charged k
      FULL JOIN (SELECT * FROM spending_checkpoint WHERE scope = 'mandate' AND {_THIS.format("")}) s USING (mandate_id)
     WHERE coalesce(k.charged, 0) <> coalesce(s.charged_nanos, 0)"""

MISSING_HOLD: Final = """
    (t.hold_id IS NOT NULL AND h.hold_id IS NULL AND NOT EXISTS (
        SELECT FROM hold_checkpoint k
         WHERE k.mandate_id = t.mandate_id AND CASE k.account_id
               WHEN t.debit_account_id THEN t.debit_version <= k.last_version
               WHEN t.credit_account_id THEN t.credit_version <= k.last_version
               ELSE t.kind = 'OVERRUN' AND k.overrun_nanos > 0 END))"""
"""Of a transfer `t` and its hold `h`, if any: whether the hold is missing without having been pruned."""

PRUNED_VERSIONS: Final = """
    (SELECT 2 * k.holds + k.growths FROM hold_checkpoint k
      WHERE k.mandate_id = a.mandate_id AND k.account_id = a.account_id)"""
"""What the pruned holds of an account `a` had counted its version up by: placed, resolved, and each growth."""

PRUNED_SPENDING: Final = """
    (SELECT k.charged_nanos FROM spending_checkpoint k
      WHERE k.mandate_id = {mandate_id} AND k.scope = {scope} AND k.scope_id = {scope_id})"""
"""What was charged for the pruned holds of a scope; counts for caps in total, which began before all of them."""

WHOLE_PERIOD: Final = """
    NOT EXISTS (SELECT FROM hold_checkpoint k
                 WHERE k.mandate_id = c.mandate_id AND k.last_created_at >= c.period_start)"""
"""Whether no hold of a counter `c`'s period was pruned."""
