"""Money in, out and about over HTTP: once each, whatever is sent again."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from tests.support.management import Api, assert_problem

KEY = {"Idempotency-Key": "invoice-2026-001"}


async def test_a_top_up_is_in_the_balance_and_in_the_journal(api: Api) -> None:
    mandate = await api.mandate()
    body = {"amount": "100.50", "reference": "Invoice 7"}
    answer = await api.post(f"{mandate}/top-ups", body, headers=KEY)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["kind"], made["amount"], made["payer"]) == ("TOP_UP", "100.500000000", "pool")
    assert (made["balance"], made["currency"], made["reference"]) == ("100.500000000", "CHF", "Invoice 7")
    assert (made["debit"], made["credit"], made["actor"]) == ("funding", "pool", "root")
    balance = (await api.get(f"{mandate}/balance")).json()
    assert balance == {
        "currency": "CHF",
        "accounts": [
            {
                "payer": "pool",
                "userId": None,
                "userName": None,
                "posted": "100.500000000",
                "held": "0.000000000",
                "available": "100.500000000",
                "creditLimit": "0.000000000",
            }
        ],
        "nextCursor": None,
    }
    (entry,) = (await api.get(f"{mandate}/transfers")).json()["transfers"]
    assert entry == {name: made[name] for name in entry}


async def test_a_top_up_wants_an_idempotency_key(api: Api) -> None:
    mandate = await api.mandate()
    answer = await api.post(f"{mandate}/top-ups", {"amount": "1"})
    problem = assert_problem(answer, 400, "header_required", "Idempotency-Key")
    assert "Idempotency-Key" in problem["detail"]
    for wrong in ("x" * 256, "two words", "\u00e9"):
        headers = {"Idempotency-Key": wrong.encode("latin-1")}
        answer = await api.post(f"{mandate}/top-ups", {"amount": "1"}, headers=headers)
        assert_problem(answer, 400, "invalid_header", "Idempotency-Key")
    assert (await api.balance(mandate))["posted"] == "0.000000000"


async def test_the_same_again_answers_the_same_and_other_content_is_a_conflict(api: Api) -> None:
    mandate = await api.mandate()
    body = {"amount": "10", "reference": "a"}
    first = await api.post(f"{mandate}/top-ups", body, headers=KEY)
    await api.top_up(mandate, "1")
    again = await api.post(f"{mandate}/top-ups", body, headers=KEY)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    for other in ({**body, "amount": "10.00"}, {**body, "reference": "b"}, {"amount": "10"}):
        assert_problem(await api.post(f"{mandate}/top-ups", other, headers=KEY), 409, "idempotency_conflict")
    assert (await api.balance(mandate))["posted"] == "11.000000000"


async def test_many_at_once_with_one_key_are_one(api: Api) -> None:
    mandate = await api.mandate()
    answers = await asyncio.gather(*[api.post(f"{mandate}/top-ups", {"amount": "1"}, headers=KEY) for _ in range(10)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await api.balance(mandate))["posted"] == "1.000000000"


async def test_a_key_belongs_to_one_route_mandate_and_caller(api: Api) -> None:
    one, two = await api.mandate("One"), await api.mandate("Two")
    for mandate in (one, two):
        await api.made(f"{mandate}/top-ups", {"amount": "5"}, headers=KEY)
    await api.made(f"{one}/refunds", {"amount": "5", "reason": "x"}, headers=KEY)
    assert (await api.balance(one))["posted"] == "0.000000000"
    assert (await api.balance(two))["posted"] == "5.000000000"
    await api.user(one, "anna")
    await api.top_up(one, "4")
    keys = [(await api.person_key(one, "finance", name))[1] for name in ("berta", "carl")]
    for key in keys:
        await api.made(f"{one}/wallet-transfers", {"userId": "anna", "amount": "1"}, key=key, headers=KEY)
    assert (await api.balance(one))["posted"] == "2.000000000"


async def test_a_refusal_is_not_remembered(api: Api) -> None:
    mandate = await api.mandate()
    body = {"amount": "5", "reason": "back"}
    problem = assert_problem(
        await api.post(f"{mandate}/refunds", body, headers=KEY), 409, "insufficient_funds", "amount"
    )
    assert problem["available"] == "0.000000000"
    await api.top_up(mandate, "5")
    refund = await api.made(f"{mandate}/refunds", body, headers=KEY)
    assert (refund["amount"], refund["balance"]) == ("5.000000000", "0.000000000")


async def test_a_repeated_top_up_of_somebody_who_has_left_answers_as_it_did(api: Api) -> None:
    mandate = await api.mandate()
    user_id = await api.user(mandate)
    body = {"amount": "5", "userId": "anna"}
    first = await api.post(f"{mandate}/top-ups", body, headers=KEY)
    assert (await api.call("DELETE", f"{mandate}/users/{user_id}")).status_code == 204
    again = await api.post(f"{mandate}/top-ups", body, headers=KEY)
    assert (again.status_code, again.json()) == (201, first.json())
    assert_problem(
        await api.post(f"{mandate}/top-ups", {**body, "amount": "6"}, headers=KEY), 409, "idempotency_conflict"
    )
    assert (await api.balance(mandate))["posted"] == "5.000000000"


NOT_ACCEPTABLE: list[tuple[str, dict[str, Any], str]] = [
    ("top-ups", {"amount": "0"}, "amount"),
    ("top-ups", {"amount": "-1"}, "amount"),
    ("top-ups", {"amount": 1}, "amount"),
    ("top-ups", {"amount": 0.1}, "amount"),
    ("top-ups", {"amount": "1.0000000001"}, "amount"),
    ("top-ups", {"amount": "99999999999"}, "amount"),
    ("top-ups", {"amount": "1,50"}, "amount"),
    ("top-ups", {"amount": "١"}, "amount"),
    ("top-ups", {"amount": "1", "reference": "a\nb"}, "reference"),
    ("top-ups", {"amount": "1", "currency": "EUR"}, "currency"),
    ("top-ups", {}, "amount"),
    ("corrections", {"amount": "1"}, "reason"),
    ("corrections", {"amount": "0", "reason": "x"}, "amount"),
    ("refunds", {"amount": "-1", "reason": "x"}, "amount"),
    ("refunds", {"amount": "1", "reason": "  "}, "reason"),
    ("wallet-transfers", {"amount": "1"}, "userId"),
    ("wallet-transfers", {"amount": "0", "userId": "anna"}, "amount"),
]


async def test_what_is_not_acceptable_is_named(api: Api) -> None:
    mandate = await api.mandate()
    await api.user(mandate)
    for route, body, field in NOT_ACCEPTABLE:
        answer = await api.post(f"{mandate}/{route}", body, headers=KEY)
        assert_problem(answer, 422, "invalid_request", field)
        assert (await api.get(f"{mandate}/transfers")).json()["transfers"] == []


async def test_a_correction_has_a_sign_and_stops_at_what_is_available(api: Api) -> None:
    mandate = await api.mandate()
    up = await api.made(f"{mandate}/corrections", {"amount": "3", "reason": "forgotten"})
    down = await api.made(f"{mandate}/corrections", {"amount": "-1.5", "reason": "too much"})
    assert [each["amount"] for each in (up, down)] == ["3.000000000", "-1.500000000"]
    assert [each["reason"] for each in (up, down)] == ["forgotten", "too much"]
    answer = await api.post(f"{mandate}/corrections", {"amount": "-1.500000001", "reason": "x"})
    assert_problem(answer, 409, "insufficient_funds", "amount")
    assert (await api.balance(mandate))["posted"] == "1.500000000"


async def test_a_refund_never_takes_what_a_call_holds(api: Api) -> None:
    mandate = await api.mandate()
    await api.top_up(mandate, "10")
    service = await api.key(mandate, "service")
    await api.made(f"{mandate}/holds", {"desired": "0.75"}, key=service)
    answer = await api.post(f"{mandate}/refunds", {"amount": "9.5", "reason": "x"})
    assert assert_problem(answer, 409, "insufficient_funds", "amount")["available"] == "9.250000000"


async def test_money_moves_between_pool_and_wallet(api: Api) -> None:
    mandate = await api.mandate()
    user_id, key = await api.person_key(mandate, "finance", "anna")
    await api.top_up(mandate, "10")
    there = await api.made(f"{mandate}/wallet-transfers", {"userId": "anna", "amount": "4"}, key=key)
    assert (there["amount"], there["userId"], there["debit"], there["credit"]) == (
        "4.000000000",
        user_id,
        "pool",
        "wallet",
    )
    back = await api.made(f"{mandate}/wallet-transfers", {"userId": user_id, "amount": "-1"}, key=key)
    assert (back["amount"], back["balance"]) == ("-1.000000000", "7.000000000")
    assert (await api.balance(mandate, "wallet"))["posted"] == "3.000000000"
    for amount in ("7.1", "-3.1"):
        answer = await api.post(f"{mandate}/wallet-transfers", {"userId": user_id, "amount": amount}, key=key)
        assert_problem(answer, 409, "insufficient_funds", "amount")


async def test_money_for_nobody_stays_where_it_is(api: Api) -> None:
    one, two = await api.mandate("One"), await api.mandate("Two")
    stranger = await api.user(two, "berta")
    await api.top_up(one, "10")
    for user in (stranger, "berta", str(uuid4())):
        answer = await api.post(f"{one}/top-ups", {"amount": "1", "userId": user}, headers=KEY)
        assert_problem(answer, 404, "not_found", "userId")
        for amount in ("1", "-1"):
            answer = await api.post(f"{one}/wallet-transfers", {"userId": user, "amount": amount})
            assert_problem(answer, 404, "not_found", "userId")
    assert len((await api.get(f"{one}/balance")).json()["accounts"]) == 1


async def test_a_closed_mandate_takes_no_money_and_pays_out_what_is_left(api: Api) -> None:
    mandate = await api.mandate()
    first = await api.made(f"{mandate}/top-ups", {"amount": "10"}, headers=KEY)
    await api.call("PATCH", mandate, {"status": "closed"})
    other = {"Idempotency-Key": "another"}
    assert_problem(await api.post(f"{mandate}/top-ups", {"amount": "1"}, headers=other), 409, "mandate_closed")
    assert await api.made(f"{mandate}/top-ups", {"amount": "10"}, headers=KEY) == first
    await api.made(f"{mandate}/refunds", {"amount": "10", "reason": "closed"})
    assert (await api.balance(mandate))["posted"] == "0.000000000"


async def test_balances_have_the_pool_first_and_members_see_their_wallet_only(api: Api) -> None:
    mandate = await api.mandate()
    people = {name: await api.person_key(mandate, "member", name) for name in ("anna", "berta")}
    await api.top_up(mandate, "10")
    await api.top_up(mandate, "2", people["anna"][0])
    accounts = (await api.get(f"{mandate}/balance")).json()["accounts"]
    assert [(account["payer"], account["userName"]) for account in accounts] == [("pool", None), ("wallet", "Anna")]
    everybody = (await api.get(f"{mandate}/balance?withEmpty=true")).json()["accounts"]
    assert {account["userName"]: account["posted"] for account in everybody[1:]} == {
        "Anna": "2.000000000",
        "Berta": "0.000000000",
    }
    own = (await api.get(f"{mandate}/balance?withEmpty=true", key=people["anna"][1])).json()["accounts"]
    assert [(account["userId"], account["available"]) for account in own] == [(people["anna"][0], "2.000000000")]
    empty = (await api.get(f"{mandate}/balance", key=people["berta"][1])).json()["accounts"]
    assert [(account["userId"], account["available"]) for account in empty] == [(people["berta"][0], "0.000000000")]
