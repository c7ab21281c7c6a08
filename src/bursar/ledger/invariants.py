"""What must be true of the books, as SQL that finds what is not. Each statement answers (mandate, subject, detail).

`$1` is a mandate's id or null for all, `$2` the seconds that a hold may be overdue. The statements aggregate inside the
database and send back only what is wrong, so that they serve a journal of millions of rows.
"""

# ruff: noqa: S608 -- the statements are put together from fragments of themselves, never from values

from __future__ import annotations

from typing import Final

from bursar.foundation.money import MAX_AMOUNT_NANOS
from bursar.ledger.checkpoint import (
    CHECKPOINT_FOLD,
    MISSING_HOLD,
    PRUNED_SPENDING,
    PRUNED_VERSIONS,
    WHOLE_PERIOD,
)

_THIS: Final = "($1::uuid IS NULL OR {}mandate_id = $1)"

_MOVES: Final = f"""
    moves AS (
        SELECT mandate_id, debit_account_id AS account_id, debit_version AS version, 0::bigint AS credit,
               amount_nanos AS debit, false AS top_up, billing_model
          FROM transfer WHERE {_THIS.format("")}
         UNION ALL
        SELECT mandate_id, credit_account_id, credit_version, amount_nanos, 0,
               kind = 'TOP_UP' OR (kind = 'WALLET_TRANSFER' AND credit_account_id <> mandate_id), billing_model
          FROM transfer WHERE {_THIS.format("")})"""

_LEGS: Final = """
    unnest({0}.limit_ids, {0}.limit_periods) AS leg (limit_id, period_start)"""

BALANCED: Final = f"""
    SELECT mandate_id, 'mandate',
           'credits ' || sum(credits_posted) || ' and debits ' || sum(debits_posted) || ' differ'
      FROM account WHERE {_THIS.format("")}
     GROUP BY mandate_id HAVING sum(credits_posted) <> sum(debits_posted)"""

ACCOUNT_FOLD: Final = f"""
    WITH {_MOVES},
    moved AS (SELECT mandate_id, account_id, sum(credit) AS credits, sum(debit) AS debits FROM moves GROUP BY 1, 2),
    held AS (SELECT mandate_id, account_id, sum(amount_nanos) AS pending FROM hold
              WHERE state = 'PENDING' AND {_THIS.format("")} GROUP BY 1, 2),
    fold AS (SELECT mandate_id, account_id, coalesce(credits, 0) AS credits, coalesce(debits, 0) AS debits,
                    coalesce(pending, 0) AS pending
               FROM moved FULL JOIN held USING (mandate_id, account_id))
    SELECT coalesce(a.mandate_id, f.mandate_id), 'account ' || coalesce(a.account_id, f.account_id),
           CASE WHEN a.account_id IS NULL THEN 'has entries, but no row'
                ELSE format('credits %s, debits %s, pending %s; its entries say %s, %s, %s', a.credits_posted,
                            a.debits_posted, a.debits_pending, f.credits, f.debits, f.pending) END
      FROM (SELECT * FROM account WHERE {_THIS.format("")}) a FULL JOIN fold f USING (mandate_id, account_id)
     WHERE a.account_id IS NULL OR a.credits_posted <> coalesce(f.credits, 0)
        OR a.debits_posted <> coalesce(f.debits, 0) OR a.debits_pending <> coalesce(f.pending, 0)"""

LAST_TOP_UP: Final = f"""
    WITH {_MOVES},
    last AS (SELECT DISTINCT ON (mandate_id, account_id) mandate_id, account_id, credit FROM moves WHERE top_up
              ORDER BY mandate_id, account_id, version DESC)
    SELECT a.mandate_id, 'account ' || a.account_id,
           format('last top-up %s; its entries say %s', a.last_top_up_nanos, coalesce(l.credit, 0))
      FROM account a LEFT JOIN last l USING (mandate_id, account_id)
     WHERE {_THIS.format("a.")} AND a.last_top_up_nanos <> coalesce(l.credit, 0)"""

_EVENTS: Final = f"""
    events AS (
        SELECT mandate_id, account_id, version FROM moves
         UNION ALL
        SELECT mandate_id, account_id, created_version FROM hold WHERE {_THIS.format("")}
         UNION ALL
        SELECT mandate_id, account_id, resolved_version FROM hold
         WHERE resolved_version IS NOT NULL AND {_THIS.format("")})"""

VERSIONS_UNIQUE: Final = f"""
    WITH {_MOVES}, {_EVENTS}
    SELECT mandate_id, 'account ' || account_id, format('version %s happened %s times', version, count(*))
      FROM events GROUP BY mandate_id, account_id, version HAVING count(*) > 1"""

# Every event counts an account's version up by one. Growths are only counted, so they are where numbers may be missing.
VERSIONS_COMPLETE: Final = f"""
    WITH {_MOVES}, {_EVENTS},
    counted AS (SELECT mandate_id, account_id, count(*) AS n, min(version) AS first, max(version) AS last
                  FROM events GROUP BY 1, 2),
    growths AS (SELECT mandate_id, account_id, sum(growths) AS n FROM hold
                 WHERE growths > 0 AND {_THIS.format("")} GROUP BY 1, 2)
    SELECT a.mandate_id, 'account ' || a.account_id,
           format('version %s, but %s events (%s to %s) and %s growths', a.version, coalesce(c.n, 0), c.first, c.last,
                  coalesce(g.n, 0))
      FROM account a
      LEFT JOIN counted c USING (mandate_id, account_id)
      LEFT JOIN growths g USING (mandate_id, account_id)
     WHERE {_THIS.format("a.")}
       AND (a.version <> coalesce(c.n, 0) + coalesce(g.n, 0) + coalesce({PRUNED_VERSIONS}, 0)
            OR c.first < 1 OR c.last > a.version)"""

HOLD_STATE: Final = f"""
    SELECT mandate_id, 'hold ' || hold_id,
           format('%s with charged %s, overrun %s, adjusted %s, resolved at version %s', state, charged_nanos,
                  overrun_nanos, adjusted, resolved_version)
      FROM hold
     WHERE {_THIS.format("")} AND NOT coalesce(CASE state
           WHEN 'PENDING' THEN charged_nanos IS NULL AND overrun_nanos IS NULL AND resolved_at IS NULL
                               AND resolved_version IS NULL AND NOT adjusted
           WHEN 'SETTLED' THEN charged_nanos >= 0 AND overrun_nanos >= 0 AND NOT adjusted
           WHEN 'RELEASED' THEN charged_nanos = 0 AND overrun_nanos = 0 AND NOT adjusted
           WHEN 'EXPIRED' THEN charged_nanos >= 0 AND overrun_nanos >= 0
                               AND (adjusted OR (overrun_nanos = 0 AND charged_nanos <= amount_nanos)) END
           AND (state = 'PENDING' OR (resolved_at >= created_at AND resolved_version > created_version)), false)"""

HOLD_TRANSFERS: Final = f"""
    WITH paid AS (
        SELECT mandate_id, hold_id,
               count(*) FILTER (WHERE kind = 'CHARGE') AS charges,
               count(*) FILTER (WHERE kind = 'OVERRUN') AS overruns,
               count(*) FILTER (WHERE kind = 'LATE_ADJUSTMENT') AS adjustments,
               coalesce(sum(amount_nanos) FILTER (WHERE kind = 'OVERRUN'), 0) AS overrun
          FROM transfer WHERE hold_id IS NOT NULL AND {_THIS.format("")} GROUP BY 1, 2),
    borne AS (
        SELECT t.mandate_id, t.hold_id,
               sum(CASE WHEN t.debit_account_id = h.account_id THEN t.amount_nanos
                        WHEN t.credit_account_id = h.account_id THEN -t.amount_nanos END) AS charged
          FROM transfer t JOIN hold h USING (mandate_id, hold_id)
         WHERE t.kind IN ('CHARGE', 'LATE_ADJUSTMENT') AND {_THIS.format("t.")} GROUP BY 1, 2)
    SELECT h.mandate_id, 'hold ' || h.hold_id,
           format('%s, charged %s, overrun %s; its transfers say %s, %s (%s charges, %s adjustments, %s overruns)',
                  h.state, h.charged_nanos, h.overrun_nanos, coalesce(b.charged, 0), coalesce(p.overrun, 0),
                  coalesce(p.charges, 0), coalesce(p.adjustments, 0), coalesce(p.overruns, 0))
      FROM hold h LEFT JOIN paid p USING (mandate_id, hold_id) LEFT JOIN borne b USING (mandate_id, hold_id)
     WHERE {_THIS.format("h.")} AND (
           coalesce(h.charged_nanos, 0) <> coalesce(b.charged, 0)
        OR coalesce(h.overrun_nanos, 0) <> coalesce(p.overrun, 0)
        OR coalesce(p.charges, 0) > 1 OR coalesce(p.overruns, 0) > 1 OR coalesce(p.adjustments, 0) > 1
        OR (h.state = 'SETTLED' AND coalesce(p.charges, 0) <> 1)
        OR (h.state IN ('PENDING', 'RELEASED') AND p.hold_id IS NOT NULL)
        OR (coalesce(p.adjustments, 0) > 0 AND NOT h.adjusted))"""

TRANSFER_ACCOUNTS: Final = f"""
    WITH allowed (kind, debit, credit) AS (VALUES
        ('CHARGE', 'payer', 'revenue'), ('OVERRUN', 'overrun_loss', 'revenue'),
        ('LATE_ADJUSTMENT', 'payer', 'revenue'), ('LATE_ADJUSTMENT', 'revenue', 'payer'),
        ('TOP_UP', 'funding', 'payer'), ('CORRECTION', 'funding', 'payer'), ('CORRECTION', 'payer', 'funding'),
        ('REFUND', 'payer', 'funding'), ('WALLET_TRANSFER', 'payer', 'payer')),
    sides AS (SELECT mandate_id, account_id, CASE WHEN kind IN ('pool', 'wallet') THEN 'payer' ELSE kind END AS side
                FROM account WHERE {_THIS.format("")})
    SELECT t.mandate_id, 'transfer ' || t.transfer_id,
           format('%s from %s (%s) to %s (%s), hold %s', t.kind, t.debit_account_id, coalesce(d.side, 'no account'),
                  t.credit_account_id, coalesce(c.side, 'no account'), coalesce(t.hold_id::text, 'none'))
      FROM transfer t
      LEFT JOIN sides d ON d.mandate_id = t.mandate_id AND d.account_id = t.debit_account_id
      LEFT JOIN sides c ON c.mandate_id = t.mandate_id AND c.account_id = t.credit_account_id
      LEFT JOIN allowed a ON a.kind = t.kind AND a.debit = d.side AND a.credit = c.side
      LEFT JOIN hold h ON h.mandate_id = t.mandate_id AND h.hold_id = t.hold_id
     WHERE {_THIS.format("t.")} AND (
           a.kind IS NULL
        OR (t.kind IN ('CHARGE', 'OVERRUN', 'LATE_ADJUSTMENT')) <> (t.hold_id IS NOT NULL)
        OR {MISSING_HOLD}
        OR (t.kind IN ('CHARGE', 'LATE_ADJUSTMENT')
            AND h.account_id NOT IN (t.debit_account_id, t.credit_account_id)))"""

ORPHANS: Final = f"""
    SELECT h.mandate_id, 'hold ' || h.hold_id, 'its account does not exist or pays for nothing: ' || h.account_id
      FROM hold h LEFT JOIN account a USING (mandate_id, account_id)
     WHERE {_THIS.format("h.")} AND coalesce(a.kind, '') <> h.payer
     UNION ALL
    SELECT h.mandate_id, 'hold ' || h.hold_id, 'its price does not exist: ' || h.price_id
      FROM hold h LEFT JOIN price p USING (price_id)
     WHERE {_THIS.format("h.")} AND h.price_id IS NOT NULL AND p.price_id IS NULL
     UNION ALL
    SELECT a.mandate_id, 'account ' || a.account_id, 'its kind is ' || a.kind
      FROM account a WHERE {_THIS.format("a.")} AND (a.kind = 'pool') <> (a.account_id = a.mandate_id)"""

LIMIT_FOLD: Final = f"""
    WITH spent AS (
        SELECT t.mandate_id, leg.limit_id, leg.period_start,
               sum(CASE WHEN d.kind IN ('pool', 'wallet') THEN t.amount_nanos ELSE -t.amount_nanos END) AS spent
          FROM transfer t JOIN account d ON d.mandate_id = t.mandate_id AND d.account_id = t.debit_account_id
         CROSS JOIN LATERAL {_LEGS.format("t")}
         WHERE t.kind IN ('CHARGE', 'LATE_ADJUSTMENT') AND {_THIS.format("t.")} GROUP BY 1, 2, 3),
    held AS (
        SELECT h.mandate_id, leg.limit_id, leg.period_start, sum(h.amount_nanos) AS held
          FROM hold h CROSS JOIN LATERAL {_LEGS.format("h")}
         WHERE h.state = 'PENDING' AND {_THIS.format("h.")} GROUP BY 1, 2, 3),
    fold AS (SELECT mandate_id, limit_id, period_start, coalesce(spent, 0) AS spent, coalesce(held, 0) AS held
               FROM spent FULL JOIN held USING (mandate_id, limit_id, period_start))
    SELECT coalesce(c.mandate_id, f.mandate_id),
           format('limit %s from %s', coalesce(c.limit_id, f.limit_id), coalesce(c.period_start, f.period_start)),
           CASE WHEN c.limit_id IS NULL THEN 'has legs, but no counter'
                ELSE format('spent %s, held %s; its legs say %s, %s', c.spent_nanos, c.held_nanos,
                            coalesce(f.spent, 0), coalesce(f.held, 0)) END
      FROM (SELECT * FROM limit_counter WHERE {_THIS.format("")}) c
      FULL JOIN fold f USING (mandate_id, limit_id, period_start)
     WHERE c.limit_id IS NULL OR c.spent_nanos <> coalesce(f.spent, 0) OR c.held_nanos <> coalesce(f.held, 0)"""

_PRUNED: Final = PRUNED_SPENDING.format(mandate_id="l.mandate_id", scope="l.scope", scope_id="l.scope_id")

# Whether or not the holds have a leg: a cap in force has counted every call that was admitted in its scope and period.
LIMIT_COUNTS_ALL: Final = f"""
    WITH counted AS (
        SELECT c.mandate_id, c.limit_id, c.period_start, c.opening_nanos + c.spent_nanos AS spent, c.held_nanos AS held,
               coalesce(sum(h.charged_nanos), 0) + CASE l.period WHEN 'total' THEN coalesce({_PRUNED}, 0) ELSE 0 END
                   AS charged,
               coalesce(sum(h.amount_nanos) FILTER (WHERE h.state = 'PENDING'), 0) AS pending
          FROM limit_counter c JOIN spending_limit l USING (mandate_id, limit_id)
          LEFT JOIN hold h ON h.mandate_id = c.mandate_id AND h.created_at >= c.period_start
               AND h.created_at < c.period_end
               AND (l.scope = 'mandate' OR (l.scope = 'user' AND h.user_id::text = l.scope_id)
                    OR (l.scope = 'key' AND h.key_id::text = l.scope_id)
                    OR (l.scope = 'model' AND h.model = l.scope_id))
         WHERE l.deleted_at IS NULL AND {_THIS.format("c.")} AND (l.period = 'total' OR {WHOLE_PERIOD})
         GROUP BY c.mandate_id, c.limit_id, c.period_start, l.mandate_id, l.limit_id)
    SELECT mandate_id, format('limit %s from %s', limit_id, period_start),
           format('counts %s spent and %s held; the holds of its scope say %s and %s', spent, held, charged, pending)
      FROM counted WHERE spent <> charged OR held <> pending"""

_PREPAID: Final = f"""
    prepaid AS (
        SELECT mandate_id, account_id FROM account WHERE kind = 'wallet' AND {_THIS.format("")}
         UNION ALL
        SELECT mandate_id, account_id FROM account a
         WHERE kind = 'pool' AND {_THIS.format("")}
           AND NOT EXISTS (SELECT 1 FROM moves m WHERE m.mandate_id = a.mandate_id AND m.account_id = a.account_id
                              AND m.billing_model NOT LIKE 'PREPAY%')
           AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.mandate_id = a.mandate_id AND h.account_id = a.account_id
                              AND h.billing_model NOT LIKE 'PREPAY%'))"""

PREPAID_BALANCE: Final = f"""
    WITH {_MOVES}, {_PREPAID},
    balances AS (
        SELECT mandate_id, account_id, version,
               sum(credit::numeric - debit) OVER (PARTITION BY mandate_id, account_id ORDER BY version) AS balance
          FROM moves JOIN prepaid USING (mandate_id, account_id))
    SELECT mandate_id, 'account ' || account_id, format('was at %s after version %s', min(balance), min(version))
      FROM balances WHERE balance < 0 GROUP BY mandate_id, account_id"""

# When a hold grew is not written down, so only accounts whose holds never did can be played back with what was held.
PREPAID_AVAILABLE: Final = f"""
    WITH {_MOVES}, {_PREPAID},
    changes AS (
        SELECT mandate_id, account_id, version, credit::numeric - debit AS change FROM moves
         UNION ALL
        SELECT mandate_id, account_id, created_version, -amount_nanos FROM hold WHERE {_THIS.format("")}
         UNION ALL
        SELECT mandate_id, account_id, resolved_version, amount_nanos FROM hold
         WHERE resolved_version IS NOT NULL AND {_THIS.format("")}),
    played AS (SELECT mandate_id, account_id, version,
                      sum(change) OVER (PARTITION BY mandate_id, account_id ORDER BY version) AS available
                 FROM changes JOIN prepaid p USING (mandate_id, account_id)
                WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE h.mandate_id = p.mandate_id
                                     AND h.account_id = p.account_id AND h.growths > 0))
    SELECT mandate_id, 'account ' || account_id,
           format('%s was available after version %s: more was held than there was', min(available), min(version))
      FROM played WHERE available < 0 GROUP BY mandate_id, account_id"""

REMEMBERED: Final = f"""
    SELECT i.mandate_id, format('idempotency key %s of %s for %s', i.key, i.caller, i.route),
           'its answer names what does not exist: ' || i.result::text
      FROM idempotency i
     WHERE {_THIS.format("i.")} AND (i.expires_at IS NULL OR i.expires_at > clock_timestamp()) AND (
           (i.result ->> 'type' IN ('Granted', 'Settled') AND NOT EXISTS (
                SELECT 1 FROM hold h WHERE h.mandate_id = i.mandate_id AND h.hold_id = (i.result ->> 'hold_id')::uuid))
        OR (i.result ->> 'type' = 'Posted' AND NOT EXISTS (
                SELECT 1 FROM transfer t
                 WHERE t.mandate_id = i.mandate_id AND t.transfer_id = (i.result ->> 'transfer_id')::uuid)))"""

RANGE: Final = f"""
    SELECT mandate_id, 'hold ' || hold_id, 'an amount is out of range' FROM hold
     WHERE {_THIS.format("")} AND greatest(amount_nanos, input_bound_nanos, used_nanos, charged_nanos, overrun_nanos)
           > {MAX_AMOUNT_NANOS}
     UNION ALL
    SELECT mandate_id, 'transfer ' || transfer_id, 'the amount is out of range' FROM transfer
     WHERE {_THIS.format("")} AND amount_nanos > {MAX_AMOUNT_NANOS}"""

HOLD_OVERDUE: Final = f"""
    SELECT mandate_id, 'hold ' || hold_id, 'pending, though it ran out at ' || expires_at
      FROM hold
     WHERE state = 'PENDING' AND {_THIS.format("")} AND expires_at < clock_timestamp() - make_interval(secs => $2)"""

INVARIANTS: Final[dict[str, str]] = {
    "debits_equal_credits": BALANCED,
    "account_is_the_fold_of_its_entries": ACCOUNT_FOLD,
    "last_top_up": LAST_TOP_UP,
    "versions_unique": VERSIONS_UNIQUE,
    "versions_complete": VERSIONS_COMPLETE,
    "hold_state": HOLD_STATE,
    "hold_resolved_once": HOLD_TRANSFERS,
    "transfer_accounts": TRANSFER_ACCOUNTS,
    "checkpoint_is_the_fold_of_what_was_pruned": CHECKPOINT_FOLD,
    "no_orphans": ORPHANS,
    "limit_is_the_fold_of_its_legs": LIMIT_FOLD,
    "prepaid_balance_never_negative": PREPAID_BALANCE,
    "never_more_held_than_available": PREPAID_AVAILABLE,
    "remembered_answers_exist": REMEMBERED,
    "amounts_in_range": RANGE,
    "hold_overdue": HOLD_OVERDUE,
}
THOROUGH: Final[dict[str, str]] = {"limit_counts_every_call": LIMIT_COUNTS_ALL}
"""Slower than the rest where there are many caps: each looks at the holds of its scope."""

WARNINGS: Final = frozenset({"hold_overdue"})
"""Not an error in the books: perhaps no worker is running that would put it right."""
