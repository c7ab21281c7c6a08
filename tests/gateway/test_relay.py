"""Calls through a real gateway: what arrives, and what is charged."""

from __future__ import annotations

from tests.gateway.world import INPUT_NANOS, OUTPUT_NANOS, World


async def test_a_plain_call_is_charged_by_the_providers_usage(world: World) -> None:
    await world.top_up("1.00")
    async with world.chat("count me [[tokens=20]]") as response:
        body = await response.json()
        assert response.status == 200, body
    usage = body["usage"]
    charge = await world.only_charge()
    expected = usage["prompt_tokens"] * INPUT_NANOS + usage["completion_tokens"] * OUTPUT_NANOS
    assert charge["amount_nanos"] == expected
    assert charge["cost_source"] == "PROVIDER_USAGE"
    assert response.headers["x-request-id"] == str(charge["hold_id"])
    assert await world.balance() == 1_000_000_000 - expected
