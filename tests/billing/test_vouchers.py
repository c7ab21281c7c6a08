"""Vouchers: worth their amount once, to one account, whatever else happens."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from bursar.billing.redeeming import finish_claimed
from bursar.billing.voucher_codes import make_code, read_code
from bursar.billing.voucher_tries import MOST_OF_CALLER, MOST_OF_MANDATE
from bursar.foundation.database import Database
from bursar.ledger.entry import LedgerUnavailable
from bursar.ledger.model import Command, Outcome
from bursar.ledger.verify import verify
from tests.support.management import Api, assert_problem, mandate_id_of


async def voucher(api: Api, amount: str = "25", **fields: Any) -> dict[str, Any]:
    expires_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    made = await api.made("/api/vouchers", {"amount": amount, "currency": "CHF", "expiresAt": expires_at, **fields})
    return dict(made["vouchers"][0])


async def expire(database: Database, voucher_id: str) -> None:
    """As time does; only the owner can."""
    owner = await asyncpg.connect(database.addresses.owner.dsn)
    await owner.execute("UPDATE voucher SET expires_at = now() WHERE voucher_id = $1", voucher_id)
    await owner.close()


def test_a_code_can_be_typed_and_not_guessed() -> None:
    code = make_code()
    assert read_code(code.text) == code.code_hash
    assert read_code(f" {code.text.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')} ") == code.code_hash
    digits = code.text.replace("-", "")
    assert len(digits) == 30
    assert code.text.startswith(code.hint)
    wrong = [digits[:place] + ("A" if digits[place] != "A" else "B") + digits[place + 1 :] for place in range(27)]
    # A checksum of 15 bits: one slip in some thirty thousand goes unnoticed, and is then an unknown code.
    assert sum(read_code(text) is None for text in wrong) >= 26
    assert read_code("") is None
    assert read_code(digits + "0") is None
    assert len({make_code().text for _ in range(1000)}) == 1000


async def test_a_voucher_is_shown_once_and_stored_as_a_hash(api: Api) -> None:
    made = await voucher(api)
    code = made.pop("code")
    listed = (await api.get("/api/vouchers", params={"state": "open"})).json()
    assert listed == {"vouchers": [made], "nextCursor": None}
    async with api.database.as_operator() as connection:
        stored = str([dict(row) for row in await connection.fetch("SELECT * FROM voucher")])
        audited = str([dict(row) for row in await connection.fetch("SELECT * FROM audit_entry")])
    for part in code.split("-")[1:]:
        assert part not in stored
        assert part not in audited


async def test_a_mandate_s_transaction_sees_no_voucher(api: Api) -> None:
    mandate = await api.mandate()
    code = (await voucher(api, mandateId=mandate.rsplit("/", 1)[1]))["code"]
    await api.made(f"{mandate}/vouchers/redeem", {"code": code})
    async with api.database.as_mandate(mandate_id_of(mandate)) as connection:
        assert await connection.fetch("SELECT * FROM voucher") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await api.database.ledger_pool.fetch("SELECT * FROM voucher")


async def test_finance_fills_the_pool_and_a_member_their_own_wallet(api: Api) -> None:
    mandate = await api.mandate()
    _, finance = await api.person_key(mandate, "finance")
    member_id, member = await api.person_key(mandate, "member")
    other = await api.user(mandate, "other")
    first = await api.made(f"{mandate}/vouchers/redeem", {"code": (await voucher(api))["code"]}, key=finance)
    assert (first["kind"], first["payer"], first["amount"], first["balance"]) == (
        "TOP_UP", "pool", "25.000000000", "25.000000000"
    )  # fmt: skip
    code = (await voucher(api, "5"))["code"]
    refused = await api.post(f"{mandate}/vouchers/redeem", {"code": code, "userId": other}, key=member)
    assert_problem(refused, 404, "not_found")
    mine = await api.made(f"{mandate}/vouchers/redeem", {"code": code}, key=member)
    assert (mine["payer"], mine["userId"], mine["balance"]) == ("wallet", member_id, "5.000000000")
    for_other = await api.made(
        f"{mandate}/vouchers/redeem", {"code": (await voucher(api, "7"))["code"], "userId": "other"}, key=finance
    )
    assert for_other["userId"] == other
    redeemed = (await api.get("/api/vouchers", params={"state": "redeemed"})).json()["vouchers"]
    assert {each["redeemedForUserId"] for each in redeemed} == {None, member_id, other}
    assert {each["transferId"] for each in redeemed} == {first["id"], mine["id"], for_other["id"]}


async def test_every_no_is_one_clear_problem(api: Api, database: Database) -> None:
    mandate, other = await api.mandate(), await api.mandate("Other")
    redeem = f"{mandate}/vouchers/redeem"
    used = (await voucher(api))["code"]
    await api.made(redeem, {"code": used})
    assert_problem(await api.post(redeem, {"code": used}), 409, "voucher_used", "code")
    assert_problem(await api.post(f"{other}/vouchers/redeem", {"code": used}), 409, "voucher_used", "code")
    expired = await voucher(api)
    await expire(database, expired["id"])
    assert_problem(await api.post(redeem, {"code": expired["code"]}), 409, "voucher_expired", "code")
    revoked = await voucher(api)
    for _ in range(2):
        assert (await api.call("DELETE", f"/api/vouchers/{revoked['id']}")).status_code == 204
    assert_problem(await api.post(redeem, {"code": revoked["code"]}), 409, "voucher_revoked", "code")
    foreign = (await voucher(api, currency="EUR"))["code"]
    assert "EUR" in assert_problem(await api.post(redeem, {"code": foreign}), 409, "voucher_currency", "code")["detail"]
    others = (await voucher(api, mandateId=other.rsplit("/", 1)[1]))["code"]
    answers = [await api.post(redeem, {"code": code}) for code in (others, make_code().text, "no code at all")]
    for answer in answers:
        assert_problem(answer, 404, "voucher_unknown", "code")
        assert answer.json() == answers[0].json(), "another mandate's is as unknown as none at all"
    await api.call("PATCH", other, {"status": "closed"})
    assert_problem(await api.post(f"{other}/vouchers/redeem", {"code": others}), 409, "mandate_closed")
    assert (await api.balance(mandate))["posted"] == "25.000000000"


async def test_what_cannot_be_issued_is_named(api: Api) -> None:
    mandate = (await api.mandate()).rsplit("/", 1)[1]
    soon = "2999-01-01T00:00:00Z"
    for fields, status, field in (
        ({"amount": "0"}, 422, "amount"),
        ({"currency": "chf"}, 422, "currency"),
        ({"currency": "EUR", "mandateId": mandate}, 422, "currency"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, 422, "expiresAt"),
        ({"expiresAt": "2999-01-01T00:00:00"}, 422, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59-12:00"}, 422, "expiresAt"),
        ({"count": 0}, 422, "count"),
        ({"count": 1001}, 422, "count"),
        ({"mandateId": "b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c"}, 404, None),
    ):
        answer = await api.post("/api/vouchers", {"amount": "1", "currency": "CHF", "expiresAt": soon, **fields})
        assert answer.status_code == status, (fields, answer.text)
        assert answer.json().get("field") == field
    body = {"amount": "1", "currency": "CHF", "expiresAt": soon, "count": 3, "note": "autumn"}
    assert len((await api.made("/api/vouchers", body))["vouchers"]) == 3


async def test_many_at_once_are_one(api: Api) -> None:
    mandates = [await api.mandate(f"M{number}") for number in range(3)]
    code = (await voucher(api))["code"]
    tries = [api.post(f"{mandates[number % 3]}/vouchers/redeem", {"code": code}) for number in range(24)]
    answers = await asyncio.gather(*tries)
    assert {answer.status_code for answer in answers} <= {201, 409, 429, 503}
    # Who came first may ask again before it is marked, and is then told the same; nobody else is paid.
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    balances = [(await api.balance(mandate))["posted"] for mandate in mandates]
    assert sorted(balances) == ["0.000000000", "0.000000000", "25.000000000"]
    assert await verify(api.database.ledger_pool) == []


async def test_an_idempotency_key_gets_the_same_answer(api: Api) -> None:
    mandate = await api.mandate()
    code, second = (await voucher(api))["code"], (await voucher(api))["code"]
    key = {"Idempotency-Key": "one"}
    first = await api.made(f"{mandate}/vouchers/redeem", {"code": code}, headers=key)
    assert await api.made(f"{mandate}/vouchers/redeem", {"code": code}, headers=key) == first
    answer = await api.post(f"{mandate}/vouchers/redeem", {"code": second}, headers=key)
    assert_problem(answer, 409, "idempotency_conflict")
    assert_problem(await api.post(f"{mandate}/vouchers/redeem", {"code": code}), 409, "voucher_used", "code")
    assert (await api.balance(mandate))["posted"] == "25.000000000"


class _Breaks:
    """A ledger that breaks before, or just after, it has done what it was asked for."""

    def __init__(self, api: Api, *, after: bool) -> None:
        self._api, self._after = api, after

    async def submit(self, command: Command) -> Outcome:
        if self._after:
            await self._api.ledger.submit(command)
        raise LedgerUnavailable("broken")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("again", ["the same code", "a worker"])
async def test_what_broke_in_between_is_finished_once(
    api: Api, monkeypatch: pytest.MonkeyPatch, after: bool, again: str
) -> None:
    mandate = await api.mandate()
    code = (await voucher(api))["code"]
    object.__setattr__(api.wiring, "ledger", _Breaks(api, after=after))
    assert (await api.post(f"{mandate}/vouchers/redeem", {"code": code})).status_code == 503
    object.__setattr__(api.wiring, "ledger", api.ledger)
    assert_problem(
        await api.post(f"{await api.mandate('Thief')}/vouchers/redeem", {"code": code}), 409, "voucher_used", "code"
    )
    if again == "a worker":
        assert await finish_claimed(api.database, api.ledger) == 0, "somebody may be at it"
        assert await finish_claimed(api.database, api.ledger, older_than_seconds=0) == 1
    else:
        await api.made(f"{mandate}/vouchers/redeem", {"code": code})
    assert await finish_claimed(api.database, api.ledger, older_than_seconds=0) == 0
    assert_problem(await api.post(f"{mandate}/vouchers/redeem", {"code": code}), 409, "voucher_used", "code")
    assert (await api.balance(mandate))["posted"] == "25.000000000"
    transfers = (await api.get(f"{mandate}/transfers")).json()["transfers"]
    assert [each["kind"] for each in transfers] == ["TOP_UP"]


async def test_wrong_tries_are_limited_per_caller(api: Api) -> None:
    mandate = await api.mandate()
    _, member = await api.person_key(mandate, "member")
    _, other = await api.person_key(mandate, "finance")
    redeem = f"{mandate}/vouchers/redeem"
    good = [(await voucher(api, "1"))["code"] for _ in range(MOST_OF_CALLER + 2)]
    for code in good[:-1]:
        await api.made(redeem, {"code": code}, key=member)
    tries = [api.post(redeem, {"code": make_code().text}, key=member) for _ in range(MOST_OF_CALLER + 10)]
    answers = await asyncio.gather(*tries)
    assert sum(answer.status_code == 404 for answer in answers) == MOST_OF_CALLER
    refused = await api.post(redeem, {"code": good[-1]}, key=member)
    assert_problem(refused, 429, "too_many_tries", "code")
    assert 0 < int(refused.headers["retry-after"]) <= 900
    await api.made(redeem, {"code": good[-1]}, key=other)


async def test_wrong_tries_are_limited_per_mandate(api: Api) -> None:
    mandate = await api.mandate()
    async with api.database.as_mandate(mandate_id_of(mandate)) as connection:
        await connection.execute(
            "INSERT INTO voucher_try VALUES ($1, '', $2, now())", mandate_id_of(mandate), MOST_OF_MANDATE
        )
    code = (await voucher(api))["code"]
    assert_problem(await api.post(f"{mandate}/vouchers/redeem", {"code": code}), 429, "too_many_tries", "code")
    async with api.database.as_mandate(mandate_id_of(mandate)) as connection:
        await connection.execute("UPDATE voucher_try SET began_at = now() - interval '16 minutes'")
    await api.made(f"{mandate}/vouchers/redeem", {"code": code})
