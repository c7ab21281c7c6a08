"""The end of a mandate: calls stop, holds drain, what remains is shown, and is paid out with a reason."""

from __future__ import annotations

from typing import Any

from bursar.billing.upkeep import Upkeep
from bursar.ledger.verify import verify
from tests.support.management import Api, assert_problem


async def closing(api: Api, mandate: str, **more: Any) -> dict[str, Any]:
    answer = await api.get(f"{mandate}/closing", **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_the_whole_story(api: Api) -> None:
    mandate = await api.mandate()
    _, owner = await api.person_key(mandate, "owner")
    anna = await api.user(mandate, "anna")
    await api.top_up(mandate, "100")
    await api.made(f"{mandate}/wallet-transfers", {"userId": anna, "amount": "30"})
    hold = await api.made(f"{mandate}/holds", {"desired": "20"})

    assert_problem(await api.call("PATCH", mandate, {"status": "closed"}, key=owner), 403, "forbidden", "status")
    assert (await api.call("PATCH", mandate, {"status": "closed"})).status_code == 200

    # Calls stop, and no money comes in.
    assert_problem(await api.post(f"{mandate}/holds", {"desired": "1"}), 403, "mandate_not_active")
    headers = {"Idempotency-Key": "late"}
    assert_problem(await api.post(f"{mandate}/top-ups", {"amount": "1"}, headers=headers), 409, "mandate_closed")

    # What runs may end; what is held cannot be paid out before.
    shown = await closing(api, mandate, key=owner)
    assert (shown["status"], shown["openHolds"], shown["settled"]) == ("closed", 1, False)
    assert (shown["held"], shown["remaining"], shown["owed"]) == ("20.000000000", "100.000000000", "0.000000000")
    pool, wallet = shown["accounts"]
    assert (pool["payer"], pool["posted"], pool["payable"]) == ("pool", "70.000000000", "50.000000000")
    assert (wallet["userId"], wallet["payable"]) == (anna, "30.000000000")
    assert_problem(
        await api.post(f"{mandate}/refunds", {"amount": "70", "reason": "closed"}), 409, "insufficient_funds", "amount"
    )
    assert (await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "4.5"})).status_code == 200

    # Paid out: the pool by a refund, the wallet by a correction.
    pool = (await closing(api, mandate))["accounts"][0]
    assert pool["payable"] == "65.500000000"
    assert_problem(await api.post(f"{mandate}/refunds", {"amount": "65.5"}), 422, "invalid_request", "reason")
    await api.made(f"{mandate}/refunds", {"amount": pool["payable"], "reason": "Konto geschlossen"})
    await api.made(f"{mandate}/corrections", {"amount": "-30", "userId": anna, "reason": "paid out in cash"})
    shown = await closing(api, mandate)
    assert (shown["openHolds"], shown["accounts"], shown["settled"]) == (0, [], True)
    journal = (await api.get(f"{mandate}/transfers")).json()["transfers"]
    assert [(each["kind"], each["amount"], each["reason"]) for each in journal[:2]] == [
        ("CORRECTION", "-30.000000000", "paid out in cash"),
        ("REFUND", "65.500000000", "Konto geschlossen"),
    ]
    assert await verify(api.database.ledger_pool) == []


async def test_what_is_owed_is_shown(api: Api) -> None:
    mandate = await api.mandate(billingModel="POSTPAY", creditLimit="100")
    hold = await api.made(f"{mandate}/holds", {"desired": "20"})
    await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "12"})
    await api.call("PATCH", mandate, {"status": "closed"})
    shown = await closing(api, mandate)
    assert (shown["owed"], shown["remaining"], shown["settled"]) == ("12.000000000", "0.000000000", False)
    assert shown["accounts"][0]["payable"] == "0.000000000"
    await api.made(f"{mandate}/corrections", {"amount": "12", "reason": "invoice paid"})
    assert (await closing(api, mandate))["settled"] is True


async def test_upkeep_brings_home_what_a_leaver_s_call_had_held(api: Api) -> None:
    mandate = await api.mandate(billingModel="PREPAY_USER")
    anna = await api.user(mandate, "anna")
    await api.top_up(mandate, "10", anna)
    hold = await api.made(f"{mandate}/holds", {"desired": "6", "userId": anna})
    await api.call("DELETE", f"{mandate}/users/{anna}")
    assert (await api.balance(mandate))["posted"] == "4.000000000"
    await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "1"})
    upkeep = Upkeep(api.database, api.ledger, every_seconds=0.01)
    await upkeep.start()
    while (await api.balance(mandate))["posted"] != "9.000000000":
        pass
    await upkeep.stop()
    assert [each["payer"] for each in (await closing(api, mandate))["accounts"]] == ["pool"]
