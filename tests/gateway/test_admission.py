"""Who is let in, what is refused, and how a refusal looks: before anything has reached a provider."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bursar.foundation.database import Database
from bursar.gateway.asgi import RequestHead
from bursar.gateway.callers import read_tags
from bursar.gateway.dialects.seam import GatewayFault
from bursar.identity.key_store import create_key, revoke_key
from bursar.identity.mandates import change_mandate
from tests.gateway.scripted import scripted_upstream
from tests.gateway.world import (
    INPUT_NANOS,
    OUTPUT_NANOS,
    ScriptedWorld,
    World,
    application,
    open_world,
    served,
    upstream,
)


async def error_of(world: World, **call: Any) -> tuple[int, dict[str, Any]]:
    async with world.chat(**call) as response:
        body = await response.json()
        assert response.headers["x-request-id"]
        return response.status, body.get("error")


# --- who -------------------------------------------------------------------------------------------------------------


async def test_routes_that_are_none(world: World) -> None:
    for method, path, status in (("GET", "/v1/chat/completions", 405), ("POST", "/v1/images/generations", 404)):
        async with world.session.request(method, world.url + path) as response:
            assert response.status == status
            assert (await response.json())["error"]["message"]


async def test_no_key_and_a_wrong_key(world: World) -> None:
    async with world.session.post(f"{world.url}/v1/chat/completions", json={}) as response:
        assert response.status == 401
    status, error = await error_of(world, key="bur_nonsense")
    assert (status, error["code"]) == (401, "invalid_api_key")


async def test_the_other_header_for_a_key(world: World) -> None:
    await world.top_up("1.00")
    body = {"model": "demo-1", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"x-api-key": world.user_key}
    async with world.session.post(f"{world.url}/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200


async def test_an_admin_key_makes_no_calls(world: World) -> None:
    _, key = await create_key(world.database, world.mandate_id, kind="admin", name="a", created_by="test")
    status, error = await error_of(world, key=key)
    assert (status, error["code"]) == (403, "forbidden")


async def test_a_suspended_mandate_makes_no_calls(world: World) -> None:
    await change_mandate(world.database, world.mandate_id, status="suspended")
    await world.change_settings()
    status, error = await error_of(world)
    assert (status, error["code"]) == (403, "forbidden")


async def test_a_service_names_the_person_who_pays(world: World) -> None:
    await world.change_settings(billing_model="PREPAY_USER")
    await world.top_up("1.00", wallet=world.user_id)
    status, error = await error_of(world, key=world.service_key)
    assert (status, error["param"]) == (400, "x-bursar-user")
    status, error = await error_of(world, key=world.service_key, headers={"x-bursar-user": "nobody"})
    assert (status, error["code"]) == (404, "user_not_found")
    status, error = await error_of(world, key=world.user_key, headers={"x-bursar-user": "anna"})
    assert status == 403
    async with world.chat(key=world.service_key, headers={"x-bursar-user": "anna"}) as response:
        assert response.status == 200
        # The person is entitled to their own wallet, even through an application.
        assert response.headers["x-bursar-available"] == "1.000000000"
    charge = await world.only_charge()
    assert (charge["user_id"], charge["debit_account_id"]) == (world.user_id, world.user_id)
    assert await world.balance() == 0


async def test_a_person_is_created_on_first_sight_if_the_mandate_allows_it(world: World) -> None:
    await world.change_settings(users_on_first_sight=True)
    await world.top_up("1.00")
    async with world.chat(key=world.service_key, headers={"x-bursar-user": "bernard@app"}) as response:
        assert response.status == 200
    assert (await world.only_charge())["user_id"] not in (None, world.user_id)


# --- what ------------------------------------------------------------------------------------------------------------


async def test_models_that_are_unknown_not_allowed_or_not_priced(world: World) -> None:
    status, error = await error_of(world, model="nobody-serves-this")
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    status, error = await error_of(world, model="demo-without-a-price")
    assert (status, error["code"]) == (400, "model_not_priced")
    await world.change_settings(allowed_models=["gpt-*"])
    status, error = await error_of(world, model="demo-1")
    assert (status, error["code"]) == (403, "forbidden")


async def test_a_field_without_a_bound_is_refused_by_name(world: World) -> None:
    status, error = await error_of(world, hologram=True)
    assert (status, error["code"], error["param"]) == (400, "feature_not_priced", "hologram")
    # The model has no price for searches.
    status, error = await error_of(world, web_search_options={})
    assert (status, error["code"], error["param"]) == (400, "feature_not_priced", "web_search")
    await world.top_up("1.00")
    async with world.chat(allowed_by_operator=1) as response:
        assert response.status == 200


async def test_a_body_that_is_too_large_or_no_json(world: World) -> None:
    headers = {"authorization": f"Bearer {world.user_key}"}

    async def unannounced() -> Any:
        for _ in range(41):
            yield b"x" * 50_000

    # Behind a server that listens to the end: ours hangs up, which a client that is still writing may see first.
    async with served(application(world.gateway), "httptools") as server:
        url = f"{server}/v1/chat/completions"
        async with world.session.post(url, data=b"x" * 2_000_001, headers=headers) as response:
            assert response.status == 413
        async with world.session.post(url, data=unannounced(), headers=headers) as response:
            assert response.status == 413
        async with world.session.post(url, data=b"{", headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] == "invalid_request"


# --- money -----------------------------------------------------------------------------------------------------------


async def test_the_402_says_who_must_act(world: World) -> None:
    async with world.chat(headers={"accept-language": "fr"}) as response:
        assert response.status == 402
        assert response.headers["x-should-retry"] == "false"
        assert "retry-after" not in response.headers
        error = (await response.json())["error"]
    billing = error["billing"]
    assert (error["type"], error["code"], error["message"]) == (
        "insufficient_quota", "insufficient_quota", billing["messageFr"]
    )  # fmt: skip
    assert billing["reason"] == "BALANCE_EXHAUSTED"
    assert billing["userAction"] == "CONTACT_MANDATE_ADMIN"
    assert billing["payer"] == "pool"
    assert billing["mandateId"] == str(world.mandate_id)
    assert billing["currentBalance"] is None
    assert billing["billingUrl"] is None
    assert billing["requestId"] == response.headers["x-request-id"]
    status, error = await error_of(world, key=world.owner_key)
    assert status == 402
    assert error["billing"]["currentBalance"] == "0.000000000"
    assert error["billing"]["userAction"] == "TOP_UP_SELF"
    assert error["billing"]["billingUrl"] == f"https://bursar.example/billing?mandate={world.mandate_id}"


async def test_the_text_is_in_the_persons_language(world: World) -> None:
    _, error = await error_of(world)
    assert error["message"] == error["billing"]["messageDe"]


async def test_a_request_that_is_too_large_says_what_is_affordable(world: World) -> None:
    await world.change_settings(exhausted_below_nanos=1)
    await world.post(500 * OUTPUT_NANOS)
    status, error = await error_of(world, key=world.owner_key, n=10)
    assert (status, error["billing"]["reason"]) == (402, "REQUEST_TOO_LARGE")
    assert 0 < error["billing"]["affordableOutputTokens"] <= 50


async def test_when_finance_was_told_is_asked_for(database: Database, demo_url: str) -> None:
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    asked: list[tuple[UUID, UUID]] = []

    async def notified_at(mandate_id: UUID, account_id: UUID) -> datetime | None:
        asked.append((mandate_id, account_id))
        return at

    async with open_world(database, [upstream(demo_url)], wire={"notified_at": notified_at}) as world:
        _, error = await error_of(world)
        assert error["billing"]["notifiedAt"] == "2026-11-23T10:00:00Z"
        assert asked == [(world.mandate_id, world.mandate_id)]


async def test_held_funds_are_a_429_that_clients_retry(scripted: ScriptedWorld) -> None:
    world, _ = scripted
    await world.change_settings(max_hold_share_percent=100)
    hold_all = await world.hold(9_999_950_000)
    async with world.chat(model="gpt-4o-mini") as response:
        body = await response.json()
    assert response.status == 429
    assert response.headers["retry-after"]
    assert "x-should-retry" not in response.headers
    assert (body["error"]["code"], body["error"]["billing"]["reason"]) == ("funds_held", "FUNDS_HELD")
    await world.release(hold_all)
    async with world.chat(model="gpt-4o-mini") as response:
        assert response.status == 200


async def test_a_text_is_counted_before_it_is_refused_and_raises_no_alarm(scripted: ScriptedWorld) -> None:
    """20,000 bytes are at most 20,000 tokens, and really some 4,500: that is what has to be affordable."""
    world, _ = scripted
    text = "The quick brown fox jumps over the lazy dog. " * 450
    left = (len(text) // 4) * INPUT_NANOS // 6 + 300 * OUTPUT_NANOS
    await world.drain_to(left)
    assert left < len(text) * 150
    for _ in range(2):
        async with world.chat(text, model="gpt-4o-mini", max_tokens=10) as response:
            assert response.status == 200, await response.text()
    async with world.database.as_mandate(world.mandate_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM hold WHERE state = 'RELEASED'") == 0


async def test_a_long_text_is_counted_beside_the_event_loop(scripted: ScriptedWorld) -> None:
    world, _ = scripted
    async with world.chat("word " * 20_000, model="gpt-4o-mini", max_tokens=10) as response:
        assert response.status == 200


async def test_terms_that_changed_a_moment_ago_are_looked_at_again(world: World) -> None:
    await world.top_up("1.00")
    await world.top_up("1.00", wallet=world.user_id)
    async with world.chat():
        pass
    # Nobody is notified of this: the worker still remembers the old model, the ledger does not.
    async with world.database.as_mandate(world.mandate_id) as connection:
        await connection.execute("UPDATE billing_settings SET billing_model = 'PREPAY_USER'")
        await connection.execute("UPDATE identity_revision SET revision = revision + 1")
    async with world.chat() as response:
        assert response.status == 200, await response.text()
    assert [charge["debit_account_id"] for charge in await world.charges()] == [world.mandate_id, world.user_id]


async def test_without_the_ledger_nothing_runs(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    await world.ledger.stop()
    async with world.chat(model="gpt-4o-mini") as response:
        assert response.status == 503
        assert response.headers["retry-after"]
        assert (await response.json())["error"]["code"] == "ledger_unavailable"
    assert provider.received == []


async def test_unlimited_is_metered_and_never_refused(world: World) -> None:
    await world.change_settings(billing_model="UNLIMITED")
    for _ in range(2):
        async with world.chat(key=world.owner_key) as response:
            assert response.status == 200
            assert "x-bursar-available" not in response.headers
    assert await world.balance() == -sum(charge["amount_nanos"] for charge in await world.charges()) < 0


async def test_a_revoked_key_stops_a_stream_at_its_next_slice(world: World) -> None:
    await world.top_up("1.00")
    key, text = await create_key(
        world.database, world.mandate_id, kind="user", name="k", created_by="t", user_id=world.user_id
    )
    async with world.chat("hi [[tokens=9000 chunk_tokens=20 chunk_delay_ms=2]]", key=text, stream=True) as response:
        await response.content.readany()
        await revoke_key(world.database, world.mandate_id, key.key_id)
        got = await response.read()
    assert b'"code":"invalid_api_key"' in got
    assert got.endswith(b"data: [DONE]\n\n")
    charge = await world.only_charge()
    assert charge["cost_source"] == "ESTIMATED"
    assert charge["output_tokens"] < 5_000


async def test_nothing_reaches_a_provider_without_a_hold(database: Database) -> None:
    """Every route of the gateway, with everybody who is refused: not one connection is made."""
    from bursar.gateway.routes import gateway_routes

    async with scripted_upstream() as provider, open_world(database, [upstream(provider.url, "*")]) as world:
        routes = gateway_routes(world.gateway)
        assert {route.path for route in routes if route.reaches_provider} >= {"/v1/chat/completions"}
        for route in routes:
            for key in (world.user_key, world.service_key, "bur_wrong"):
                headers = {"authorization": f"Bearer {key}"}
                body = {
                    "model": "demo-1",
                    "messages": [{"role": "user", "content": "hi"}],
                    "input": "hi",
                    "max_tokens": 9,
                }
                async with world.session.request(
                    route.method, world.url + route.path, json=body if route.method == "POST" else None, headers=headers
                ) as response:
                    assert response.status in ((402, 401, 400) if route.reaches_provider else (200, 401))
        assert provider.received == []


TAGS = {
    "project=alpha,team=ops": {"project": "alpha", "team": "ops"},
    " a=1 ": {"a": "1"},
    "a=": {"a": ""},
    "": None,
}


@pytest.mark.parametrize("text", TAGS)
def test_tags(text: str) -> None:
    assert read_tags(RequestHead({"headers": [(b"x-bursar-tags", text.encode())]})) == TAGS[text]


@pytest.mark.parametrize("text", ["a", "=1", "a=1,b", ",".join(f"t{n}=1" for n in range(17)), "a=" + "x" * 257])
def test_tags_that_make_no_sense(text: str) -> None:
    with pytest.raises(GatewayFault):
        read_tags(RequestHead({"headers": [(b"x-bursar-tags", text.encode())]}))
