"""Statements and receipts over HTTP: in every form, for those who may see them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pypdf
import pytest

from tests.support.management import Api, assert_problem


def this_month() -> str:
    return datetime.now(ZoneInfo("Europe/Zurich")).strftime("%Y-%m")


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


@pytest.fixture
async def mandate(api: Api) -> str:
    """Money in, a piece of work for anna, some into her wallet."""
    mandate = await api.mandate()
    anna = await api.user(mandate, "anna")
    await api.top_up(mandate, "100")
    hold = await api.made(f"{mandate}/holds", {"desired": "5", "userId": anna})
    await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "1.234567891", "model": "demo-1"})
    await api.made(f"{mandate}/wallet-transfers", {"userId": anna, "amount": "10"})
    await api.top_up(mandate, "3", anna)
    return mandate


async def statement(api: Api, mandate: str, **params: Any) -> Any:
    key = params.pop("key", None)
    more = {} if key is None else {"key": key}
    return await api.get(f"{mandate}/statements", params={"month": this_month(), **params}, **more)


async def test_the_three_forms_say_the_same(api: Api, mandate: str) -> None:
    answer = await statement(api, mandate)
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    amounts = [Decimal(each["amount"]) for each in body["movements"]]
    assert Decimal(body["openingBalance"]) + sum(amounts) == Decimal(body["closingBalance"]) == Decimal("88.765432109")

    as_csv = await statement(api, mandate, format="csv")
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    name = f"statement-{body['mandateId'][:8]}-pool-{this_month()}.csv"
    assert as_csv.headers["content-disposition"] == f'attachment; filename="{name}"'
    rows = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [Decimal(row["amount"]) for row in rows] == amounts
    assert (await statement(api, mandate, format="csv", excel=True)).content.startswith(b"\xef\xbb\xbf")

    as_pdf = await statement(api, mandate, format="pdf")
    assert as_pdf.headers["content-type"] == "application/pdf"
    assert as_pdf.headers["content-disposition"].endswith('.pdf"')
    assert "88.77" in text_of(as_pdf.content)


async def test_a_pdf_speaks_the_reader_s_language(api: Api, mandate: str) -> None:
    path, params = f"{mandate}/statements", {"month": this_month(), "format": "pdf"}
    german = text_of((await api.get(path, params=params)).content)
    english = text_of((await api.get(path, params=params, headers={"Accept-Language": "en-GB"})).content)
    assert "Kontoauszug" in german or "Auszug" in german
    assert "Statement" in english
    english_owner = await api.user(mandate, "owner", role="owner", language="en")
    key = await api.key(mandate, "admin", english_owner)
    assert "Statement" in text_of((await api.get(path, params=params, key=key)).content)


async def test_a_member_sees_their_wallet_and_their_part_of_the_pool(api: Api, mandate: str) -> None:
    anna = (await api.get(f"{mandate}/users")).json()["users"][0]["id"]
    key = await api.key(mandate, "admin", anna)
    wallet = (await statement(api, mandate, account=anna, key=key)).json()
    assert (wallet["payer"], wallet["closingBalance"]) == ("wallet", "13.000000000")
    part = (await statement(api, mandate, key=key)).json()
    assert (part["ownPart"], part["openingBalance"], part["closingBalance"]) == (True, None, None)
    assert [each["kind"] for each in part["movements"]] == ["CHARGE"]
    other, _ = await api.person_key(mandate, "finance")
    assert_problem(await statement(api, mandate, account=other, key=key), 404, "not_found")
    assert len((await api.get(f"{mandate}/receipts", key=key)).json()["receipts"]) == 1


async def test_what_cannot_be_stated_is_named(api: Api, mandate: str) -> None:
    for params, status, field in (
        ({"month": "2026-13"}, 422, "month"),
        ({"month": "2098-01"}, 422, "month"),
        ({"account": "x"}, 422, "account"),
        ({"account": "b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c"}, 404, None),
        ({"format": "xls"}, 422, "format"),
    ):
        answer = await statement(api, mandate, **params)
        assert (answer.status_code, answer.json().get("field")) == (status, field), params
    assert_problem(await api.get(f"{mandate}/statements"), 422, "invalid_request", "month")


async def test_receipts(api: Api, mandate: str) -> None:
    listed = (await api.get(f"{mandate}/receipts")).json()
    assert listed["year"] == datetime.now(UTC).year
    assert [each["amount"] for each in listed["receipts"]] == ["100.000000000", "3.000000000"]
    first = listed["receipts"][0]
    path = f"{mandate}/receipts/{first['id']}"
    one = await api.get(path)
    assert one.json() == first
    assert one.headers["content-disposition"] == f'inline; filename="receipt-{first["number"]}.json"'
    pdf = await api.get(path, params={"format": "pdf"}, headers={"Accept-Language": "en"})
    assert pdf.headers["content-type"] == "application/pdf"
    assert first["number"] in text_of(pdf.content)
    for wrong in ("b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c", "x"):
        assert_problem(await api.get(f"{mandate}/receipts/{wrong}"), 404, "not_found")
