"""Receipts: one number for each top-up, for ever the same."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import orjson
import pytest
from pypdf import PdfReader

from bursar.billing.statements import build_receipt, list_receipts, render_receipt_json, render_receipt_pdf
from bursar.foundation.database import Database
from bursar.foundation.problems import Problem
from tests.billing.statements.journal import Journal, open_journal
from tests.billing.statements.samples import UNIT


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[Journal]:
    async with open_journal(database) as journal:
        yield journal


async def test_numbers_run_without_gaps_through_a_year_of_the_mandate(journal: Journal, database: Database) -> None:
    anna = await journal.add_user("Anna")
    first = await journal.top_up("2024-12-31T22:59", 10 * UNIT)
    second = await journal.top_up("2024-12-31T23:00", 20 * UNIT)
    await journal.correct("2025-01-05T10:00", 5 * UNIT, reason="x")
    third = await journal.top_up("2025-01-06T10:00", 30 * UNIT, wallet=anna, reference="invoice 7")
    await journal.move("2025-01-07T10:00", anna, 1 * UNIT)
    fourth = await journal.top_up("2025-06-30T10:00", 40 * UNIT)
    short = str(journal.mandate_id)[:8]
    numbers = [
        (await build_receipt(database, journal.mandate_id, each)).number for each in (first, second, third, fourth)
    ]
    assert numbers == [f"{short}-2024-0001", f"{short}-2025-0001", f"{short}-2025-0002", f"{short}-2025-0003"]
    await journal.top_up("2025-12-01T10:00", 1 * UNIT)
    async with database.as_mandate(journal.mandate_id) as connection:
        await connection.execute("UPDATE mandate SET time_zone = 'Asia/Tokyo'")
    again = [
        (await build_receipt(database, journal.mandate_id, each)).number for each in (first, second, third, fourth)
    ]
    assert again == numbers
    year = await list_receipts(database, journal.mandate_id, 2025)
    assert [receipt.number for receipt in year[:3]] == numbers[1:]
    assert [
        receipt.transfer_id for receipt in await list_receipts(database, journal.mandate_id, 2025, viewer_user_id=anna)
    ] == [third]
    assert year[1] == await build_receipt(database, journal.mandate_id, third)


async def test_a_receipt_says_what_was_paid_to_whom(journal: Journal, database: Database) -> None:
    anna = await journal.add_user("Anna Meier")
    transfer_id = await journal.top_up("2025-03-01T10:00", 1_234_500_000_000, wallet=anna, reference="invoice 7")
    receipt = await build_receipt(database, journal.mandate_id, transfer_id, viewer_user_id=anna)
    assert orjson.loads(render_receipt_json(receipt)) == {
        "number": f"{str(journal.mandate_id)[:8]}-2025-0001",
        "id": str(transfer_id),
        "at": "2025-03-01T10:00:00Z",
        "mandateId": str(journal.mandate_id),
        "mandateName": "Test AG",
        "payer": "wallet",
        "userId": str(anna),
        "userName": "Anna Meier",
        "amount": "1234.500000000",
        "currency": "CHF",
        "reference": "invoice 7",
    }
    german = PdfReader(io.BytesIO(render_receipt_pdf(receipt))).pages[0].extract_text()
    english = PdfReader(io.BytesIO(render_receipt_pdf(receipt, "en"))).pages[0].extract_text()
    for text, title in ((german, "Quittung"), (english, "Receipt")):
        assert f"{title} {receipt.number}" in text
        assert "CHF 1'234.50" in text
        assert "invoice 7" in text
    assert "Guthaben von Anna Meier" in german


async def test_an_amount_is_printed_exactly(journal: Journal, database: Database) -> None:
    transfer_id = await journal.top_up("2025-03-01T10:00", 1_234_567)
    receipt = await build_receipt(database, journal.mandate_id, transfer_id)
    text = PdfReader(io.BytesIO(render_receipt_pdf(receipt))).pages[0].extract_text()
    assert "CHF 0.001234567" in text


async def test_there_is_no_receipt_for_anything_else_or_anybody_else(journal: Journal, database: Database) -> None:
    anna, ben = await journal.add_user("Anna"), await journal.add_user("Ben")
    correction = await journal.correct("2025-03-01T10:00", UNIT, reason="x")
    wallet = await journal.top_up("2025-03-01T10:00", UNIT, wallet=anna)
    pool = await journal.top_up("2025-03-01T10:00", UNIT)
    async with open_journal(database) as neighbour:
        theirs = await neighbour.top_up("2025-03-01T10:00", UNIT)
    for transfer_id, viewer in ((correction, None), (wallet, ben), (pool, anna), (theirs, None)):
        with pytest.raises(Problem) as raised:
            await build_receipt(database, journal.mandate_id, transfer_id, viewer_user_id=viewer)
        assert raised.value.status == 404
