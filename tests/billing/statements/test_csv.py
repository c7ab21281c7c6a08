"""CSV: exact, safe for spreadsheets, streamed."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal

import orjson
import pytest

from bursar.billing.statements import build_statement, render_json, stream_csv, stream_json
from bursar.billing.statements import reading as statement_reading
from bursar.billing.statements.csv_form import COLUMNS, harmless
from bursar.foundation.database import Database
from tests.billing.statements.journal import Journal, open_journal
from tests.billing.statements.samples import UNIT

FORMULAS = (
    "=HYPERLINK(\"http://x\",\"y\")", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "＝1", "|cmd",
    "\x00=1",
)  # fmt: skip


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[Journal]:
    async with open_journal(database) as journal:
        yield journal


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text(text: str) -> None:
    assert harmless(text).startswith("'")


@pytest.mark.parametrize("text", ["gpt-5-mini", "Zürich", "a=1", "", "1+1", "'quoted'", "株式会社"])
def test_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


async def read(database: Database, journal: Journal, **more: bool) -> tuple[bytes, list[dict[str, str]]]:
    statement = await build_statement(database, journal.mandate_id, account="pool", month="2025-11")
    raw = b"".join([chunk async for chunk in stream_csv(database, statement, **more)])
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True))
    return raw, rows


async def test_every_movement_is_a_row_with_all_decimals(journal: Journal, database: Database) -> None:
    anna = await journal.add_user('=Anna, "die Grosse"\nMeier')
    await journal.top_up("2025-11-01T10:00", 100 * UNIT, reference="=1+1")
    await journal.call("2025-11-02T10:00:00.25", 123_450, user_id=anna, tags={"b": "2", "a": "1"})
    await journal.correct("2025-11-03T10:00", -1, reason="Ümläut; 株")
    raw, rows = await read(database, journal)
    assert raw.startswith(b"version,at,kind,amount,balance,")
    assert raw.count(b"\r\n") == len(rows) + 1
    assert [(row["kind"], row["amount"], row["balance"]) for row in rows] == [
        ("TOP_UP", "100.000000000", "100.000000000"),
        ("CHARGE", "-0.000123450", "99.999876550"),
        ("CORRECTION", "-0.000000001", "99.999876549"),
    ]
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["reference"] == "'=1+1"
    assert rows[1]["userName"] == '\'=Anna, "die Grosse"\nMeier'
    assert (rows[1]["at"], rows[1]["model"]) == ("2025-11-02T10:00:00.250000Z", "model-a")
    assert (rows[1]["inputTokens"], rows[1]["tags"]) == ("100", '{"a":"1","b":"2"}')
    assert rows[2]["reason"] == "Ümläut; 株"


async def test_the_rows_add_up_by_hand(journal: Journal, database: Database) -> None:
    await journal.top_up("2025-10-01T10:00", 7 * UNIT)
    for day in range(1, 8):
        await journal.call(f"2025-11-0{day}T10:00", 100_000_007 * day)
    statement = await build_statement(database, journal.mandate_id, account="pool", month="2025-11")
    _, rows = await read(database, journal)
    body = orjson.loads(render_json(statement))
    total = Decimal(body["openingBalance"]) + sum(Decimal(row["amount"]) for row in rows)
    assert total == Decimal(body["closingBalance"]) == Decimal(rows[-1]["balance"])


async def test_excel_may_have_its_byte_order_mark(journal: Journal, database: Database) -> None:
    raw, _ = await read(database, journal, byte_order_mark=True)
    assert raw.startswith(b"\xef\xbb\xbfversion,")


async def test_streams_hold_one_page_at_a_time_and_no_connection_between(
    journal: Journal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.top_up("2025-11-01T10:00", 100 * UNIT)
    for day in range(1, 8):
        await journal.call(f"2025-11-0{day}T10:00", day * UNIT)
    statement = await build_statement(database, journal.mandate_id, account="pool", month="2025-11")
    whole = await build_statement(database, journal.mandate_id, account="pool", month="2025-11", with_movements=True)
    monkeypatch.setattr(statement_reading.pages, "__kwdefaults__", {"page_rows": 3})
    chunks = []
    async for chunk in stream_csv(database, statement):
        chunks.append(chunk.count(b"\r\n"))
        assert database.app_pool.get_idle_size() == database.app_pool.get_size()
        # What happens meanwhile is not part of it.
        await journal.mandate.post(UNIT)
    assert chunks == [1, 3, 3, 2]
    streamed = b"".join([chunk async for chunk in stream_json(database, statement)])
    assert orjson.loads(streamed) == orjson.loads(render_json(whole))


async def test_an_empty_month_is_empty(journal: Journal, database: Database) -> None:
    raw, rows = await read(database, journal)
    assert (rows, raw.count(b"\r\n")) == ([], 1)
    statement = await build_statement(database, journal.mandate_id, account="pool", month="2025-11")
    streamed = b"".join([chunk async for chunk in stream_json(database, statement)])
    assert orjson.loads(streamed)["movements"] == []
