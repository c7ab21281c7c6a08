"""`GET /v1/models` and `GET /v1/balance`: what a caller may see, and no more."""

from __future__ import annotations

from typing import Any

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.foundation.money import format_amount
from tests.gateway.world import World, open_world, upstream


async def get(world: World, path: str, key: str | None = None, **headers: str) -> tuple[int, Any]:
    sent = {"authorization": f"Bearer {key or world.user_key}", **headers}
    async with world.session.get(world.url + path, headers=sent) as response:
        assert response.headers["x-request-id"]
        return response.status, await response.json()


async def models(world: World) -> list[str]:
    _, body = await get(world, "/v1/models")
    assert body["object"] == "list"
    return [model["id"] for model in body["data"]]


async def test_models_that_are_named_and_priced(database: Database, demo_url: str) -> None:
    named = upstream(demo_url, "demo-1", "gpt-4o-mini", "nobody-knows-its-price", "demo-*")
    async with open_world(database, [named]) as world:
        assert await models(world) == ["demo-1", "demo-thinks", "gpt-4o-mini"]
        await world.change_settings(allowed_models=["demo-*"])
        assert await models(world) == ["demo-1", "demo-thinks"]


async def test_models_that_a_pattern_takes_in_are_those_of_the_provider(database: Database) -> None:
    everything = upstream("https://api.openai.com/v1", "gpt-4o*")
    async with open_world(database, [everything]) as world:
        found = await models(world)
    assert {"gpt-4o", "gpt-4o-mini"} <= set(found)
    assert all(model.startswith("gpt-4o") for model in found)


async def test_keys_are_asked_for(world: World) -> None:
    for path in ("/v1/models", "/v1/balance"):
        status, body = await get(world, path, "bur_wrong")
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")


async def test_the_balance_of_the_pool_for_who_may_see_it(world: World) -> None:
    await world.top_up("1.00")
    async with world.chat():
        pass
    await world.settled()
    spent = (await world.only_charge())["amount_nanos"]
    held = await world.hold(200_000_000)
    _, balance = await get(world, "/v1/balance", world.owner_key)
    assert balance == {
        "payer": "pool",
        "billingModel": "PREPAY_MANDATE",
        "currency": "CHF",
        "available": format_amount(800_000_000 - spent),
        "held": "0.200000000",
        "settledThisMonth": format_amount(spent),
        "limits": [],
    }
    await world.release(held)
    _, balance = await get(world, "/v1/balance")
    assert (balance["available"], balance["held"]) == (None, None)
    assert balance["settledThisMonth"] == format_amount(spent)
    _, balance = await get(world, "/v1/balance", world.service_key)
    assert (balance["available"], balance["settledThisMonth"]) == (None, None)


async def test_the_balance_of_a_wallet_and_of_a_credit_line(world: World) -> None:
    await world.change_settings(billing_model="PREPAY_USER")
    await world.top_up("2.00", wallet=world.user_id)
    _, balance = await get(world, "/v1/balance")
    assert (balance["payer"], balance["available"]) == ("wallet", "2.000000000")
    _, of_anna = await get(world, "/v1/balance", world.service_key, **{"x-bursar-user": "anna"})
    assert of_anna == balance
    await world.change_settings(credit_limit_nanos=5_000_000_000, billing_model="POSTPAY")
    _, balance = await get(world, "/v1/balance", world.owner_key)
    assert balance["available"] == "5.000000000"
    await world.change_settings(billing_model="UNLIMITED", credit_limit_nanos=None)
    _, balance = await get(world, "/v1/balance", world.owner_key)
    assert balance["available"] is None


async def test_limits_as_far_as_they_concern_the_caller(world: World) -> None:
    async with world.database.ledger_pool.acquire() as connection:
        for scope, scope_id in (
            ("mandate", str(world.mandate_id)),
            ("user", str(world.user_id)),
            ("user", str(new_id())),
            ("model", "demo-1"),
        ):
            await connection.execute(
                "INSERT INTO spending_limit (mandate_id, limit_id, scope, scope_id, period, amount_nanos)"
                " VALUES ($1, $2, $3, $4, 'month', 1000000000)",
                world.mandate_id, new_id(), scope, scope_id,
            )  # fmt: skip
    await world.top_up("5.00")
    async with world.chat() as response:
        assert response.status == 200
    spent = (await world.only_charge())["amount_nanos"]
    _, balance = await get(world, "/v1/balance", world.owner_key)
    assert [(limit["scope"], limit["spent"]) for limit in balance["limits"]] == [
        ("model", format_amount(spent)),
        ("mandate", format_amount(spent)),
    ]
    assert balance["limits"][0]["resetsAt"].endswith("Z")
    _, balance = await get(world, "/v1/balance")
    assert [(limit["scope"], limit["amount"]) for limit in balance["limits"]] == [
        ("user", None),
        ("model", None),
        ("mandate", None),
    ]
