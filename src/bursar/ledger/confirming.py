"""A batch that was decided from memory, written by the one statement that confirms what it was decided on.

The statement locks the accounts and counters whose figures are still the remembered ones, looks whether the terms and
limits are still the same, and writes only if all of it is so. It is a transaction by itself: one round trip instead of
five. READ COMMITTED makes it right, step by step:

- `FOR UPDATE … SKIP LOCKED` waits for nobody, and looks at the newest committed version of a row before it locks it: an
  account that somebody has changed since, or is changing, does not match its version.
- Everything that changes a hold's money, or gives it a leg, holds its account's lock, and counts its version up or the
  limits' version. So with the account's lock and version, and the mark, the remembered hold is the one in the table.
- Terms and limits are asked for after the locks, by a function that sees what is committed by then (`terms_mark`).
  Whoever makes a limit holds the locks of all accounts until it is committed.
"""

# ruff: noqa: S608 -- the statement is put together from fragments of itself, never from values

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from bursar.ledger.books import Books
from bursar.ledger.reading import Connection
from bursar.ledger.writing import Writes, numbered, steps_of

STATEMENT_TIMEOUT_SECONDS: Final = 10.0

SAME_ACCOUNTS: Final = """
    SELECT 1 FROM account a JOIN unnest($3::uuid[], $4::uuid[], $5::bigint[]) AS w (mandate_id, account_id, version)
        ON a.mandate_id = w.mandate_id AND a.account_id = w.account_id AND a.version = w.version
     ORDER BY a.mandate_id, a.account_id
       FOR UPDATE OF a SKIP LOCKED"""

SAME_COUNTERS: Final = """
    SELECT 1 FROM limit_counter c
      JOIN unnest($6::counter_total[]) AS w
        ON c.mandate_id = w.mandate_id AND c.limit_id = w.limit_id AND c.period_start = w.period_start
       AND c.opening_nanos + c.spent_nanos = w.spent_nanos AND c.held_nanos = w.held_nanos
     ORDER BY c.mandate_id, c.limit_id, c.period_start
       FOR UPDATE OF c SKIP LOCKED"""

OTHER_TERMS: Final = """
    EXISTS (SELECT 1 FROM unnest($1::uuid[], $2::text[]) AS w (mandate_id, mark)
             WHERE terms_mark(w.mandate_id) IS DISTINCT FROM w.mark)"""

Looked = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


def looked_at(books: Books) -> Looked:
    """The figures that a batch is going to be decided on, as rows for the statement; taken before it is decided."""
    accounts = [(key[0], key[1], account.version) for key, account in sorted(books.accounts.items())]
    counters = [
        (c.mandate_id, c.key.limit_id, c.key.period_start, c.spent_nanos, c.held_nanos) for c in books.counters.values()
    ]
    return accounts, counters


async def confirm(connection: Connection, writes: Writes, looked: Looked, marks: dict[UUID, str]) -> datetime | None:
    """Write the batch if everything is still as it was remembered; answers the database's time, or `None`.

    Raises `asyncpg.DivisionByZeroError`, with nothing written, if a row that had to be there was not; and what asyncpg
    raises: after a lost connection nobody knows whether it was written.
    """
    (step,) = steps_of(writes)
    accounts, counters = looked
    arguments: list[Any] = [list(marks), list(marks.values()), *map(list, zip(*accounts, strict=True))]
    if counters:
        arguments.append(counters)
    arguments += [rows for _, rows in step]
    sql = _confirming(tuple([sql for sql, _ in step]), bool(counters))
    so, at, _ = (await connection.fetch(sql, *arguments, timeout=STATEMENT_TIMEOUT_SECONDS))[0]
    return at if so else None


def fits(writes: Writes) -> bool:
    """Whether a batch can be written by one statement: no part of it changes what another part makes."""
    return writes.anything() and not writes.remembered and len(steps_of(writes)) == 1


@lru_cache(maxsize=64)
def _confirming(statements: tuple[str, ...], with_counters: bool) -> str:
    """The statement for a batch of these parts. A division by zero is how it takes everything back."""
    parts = [f"accounts AS MATERIALIZED ({SAME_ACCOUNTS})"]
    doubts = ["(SELECT count(*) FROM accounts) <> cardinality($3)"]
    if with_counters:
        parts.append(f"counters AS MATERIALIZED ({SAME_COUNTERS})")
        doubts.append("(SELECT count(*) FROM counters) <> cardinality($6)")
    doubts.append(OTHER_TERMS)
    # CASE, because it is the one expression whose order of evaluation is promised: locks first, terms last.
    whens = " ".join(f"WHEN {doubt} THEN false" for doubt in doubts)
    parts.append(f"same AS MATERIALIZED (SELECT CASE {whens} ELSE true END AS so)")
    counts: list[str] = []
    for number, statement in enumerate(statements):
        place = number + (7 if with_counters else 6)
        parts.append(f"step_{number} AS ({numbered(statement, place)} AND (SELECT so FROM same) RETURNING 1)")
        counts.append(f"(SELECT count(*) FROM step_{number}) = cardinality(${place})")
    written = " AND ".join(counts)
    return (
        f"WITH {', '.join(parts)} SELECT so, clock_timestamp(),"
        f" 1 / (CASE WHEN NOT so OR ({written}) THEN 1 ELSE 0 END) FROM same"
    )
