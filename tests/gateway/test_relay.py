"""Calls through a real gateway: what arrives, and what is charged."""

from __future__ import annotations

import asyncio
import json

from bursar.foundation.money import format_amount
from tests.gateway.scripted import DONE, USAGE, answer, chat_body, chunk, stream
from tests.gateway.world import INPUT_NANOS, OUTPUT_NANOS, ScriptedWorld, World

# --- whole answers ---------------------------------------------------------------------------------------------------


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
    assert (charge["input_tokens"], charge["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (charge["model"], charge["upstream"], charge["user_id"]) == ("demo-1", "demo", world.user_id)
    assert response.headers["x-request-id"] == str(charge["hold_id"])
    assert response.headers["x-bursar-cost"] == format_amount(expected)
    assert response.headers["x-bursar-currency"] == "CHF"
    assert await world.balance() == 1_000_000_000 - expected


async def test_the_price_that_was_used_is_kept(world: World) -> None:
    await world.top_up("1.00")
    for _ in range(2):
        async with world.chat():
            pass
    first, second = await world.charges()
    assert first["price_id"] == second["price_id"]
    async with world.database.as_mandate(world.mandate_id) as connection:
        content = await connection.fetchval("SELECT content FROM price WHERE price_id = $1", first["price_id"])
    assert (content["model"], content["currency"], content["rates"]) == ("demo-1", "CHF", {"input": "1", "output": "4"})


async def test_only_the_entitled_see_what_is_available(world: World) -> None:
    await world.top_up("1.00")
    async with world.chat() as response:
        assert "x-bursar-available" not in response.headers
    await world.settled()
    left = await world.balance()
    async with world.chat(key=world.owner_key) as response:
        assert response.headers["x-bursar-available"] == format_amount(left)


async def test_bytes_pass_unchanged_in_both_directions(scripted: ScriptedWorld) -> None:
    world, upstream = scripted
    sent = (
        b'{"model":"gpt-4o-mini","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"seed":12345678901234567}'
    )
    replied = (
        b' {"choices":[{"message":{"content":"Hi."}}],"new":1e400,"usage":{"prompt_tokens":1,"completion_tokens":1}} '
    )
    upstream.script = answer(replied)
    headers = {"authorization": f"Bearer {world.user_key}"}
    async with world.session.post(f"{world.url}/v1/chat/completions", data=sent, headers=headers) as response:
        assert await response.read() == replied
    assert upstream.last.body == sent
    assert upstream.last.path == "/v1/chat/completions?api-version=1"


async def test_headers_pass_by_a_list_in_both_directions(scripted: ScriptedWorld) -> None:
    world, upstream = scripted
    upstream.script = answer(
        chat_body(),
        set_cookie="a=b",
        x_ratelimit_remaining_requests="9",
        openai_organization="ours",
        openai_version="7",
    )
    own = {"x-bursar-tags": "team=a", "cookie": "session=1", "openai-organization": "theirs", "x-api-key": "bur_x"}
    async with world.chat(model="gpt-4o-mini", headers=own) as response:
        assert response.status == 200
    assert set(upstream.last.headers) == {
        "host", "accept-encoding", "content-type", "content-length", "user-agent", "authorization", "x-team"
    }  # fmt: skip
    assert upstream.last.headers["authorization"] == "Bearer sk-upstream"
    assert upstream.last.headers["accept-encoding"] == "identity"
    assert world.user_key not in str(upstream.last)
    ours = {"x-request-id", "x-bursar-cost", "x-bursar-currency", "x-bursar-output-clamped"}
    assert {name.lower() for name in response.headers} - ours <= {"content-type", "content-length", "openai-version"}


async def test_a_model_is_renamed_for_its_upstream_and_charged_by_its_own_name(scripted: ScriptedWorld) -> None:
    world, upstream = scripted
    async with world.chat(model="gpt-4o-renamed") as response:
        assert response.status == 200
    assert upstream.last.json()["model"] == "my-deployment"
    assert (await world.only_charge())["model"] == "gpt-4o-renamed"


async def test_tags_are_kept_on_the_transfer(world: World) -> None:
    await world.top_up("1.00")
    async with world.chat(headers={"x-bursar-tags": "project=alpha, team=ops"}):
        pass
    assert (await world.only_charge())["tags"] == {"project": "alpha", "team": "ops"}
    async with world.chat(headers={"x-bursar-tags": "nonsense"}) as response:
        assert response.status == 400


# --- limits ----------------------------------------------------------------------------------------------------------


async def test_what_cannot_grow_is_clamped_to_what_is_affordable(world: World) -> None:
    await world.post(3_000_000)
    async with world.chat("hi [[tokens=5000]]", max_tokens=50_000) as response:
        body = await response.json()
    clamped = int(response.headers["x-bursar-output-clamped"])
    assert 256 <= clamped < 750
    assert body["usage"]["completion_tokens"] == clamped
    assert body["choices"][0]["finish_reason"] == "length"
    assert await world.balance() >= 0


async def test_without_a_limit_the_granted_one_is_written(scripted: ScriptedWorld) -> None:
    world, upstream = scripted
    async with world.chat(model="gpt-4o-mini") as response:
        assert "x-bursar-output-clamped" not in response.headers
    assert upstream.last.json()["max_tokens"] == 4_096


async def test_a_smaller_limit_of_the_callers_own_is_left_alone(scripted: ScriptedWorld) -> None:
    world, upstream = scripted
    async with world.chat(model="gpt-4o-mini", max_tokens=5) as response:
        assert "x-bursar-output-clamped" not in response.headers
    assert upstream.last.json()["max_tokens"] == 5


async def test_several_choices_are_held_and_charged(world: World) -> None:
    await world.top_up("1.00")
    async with world.chat("hi [[tokens=10]]", n=3, max_tokens=10) as response:
        body = await response.json()
    assert len(body["choices"]) == 3
    assert (await world.only_charge())["output_tokens"] == body["usage"]["completion_tokens"] == 30


# --- streams ---------------------------------------------------------------------------------------------------------


async def test_a_stream_arrives_as_it_was_sent_but_for_usage_that_was_not_asked_for(
    scripted: ScriptedWorld,
) -> None:
    world, upstream = scripted
    pieces = [b": hello\n\n", chunk("Hi", usage=None) + chunk(" there")[:30], chunk(" there")[30:], USAGE, DONE]
    upstream.script = stream(*pieces, pause_seconds=0.01)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        got = await response.read()
        assert response.headers["content-type"] == "text/event-stream"
        assert "x-bursar-cost" not in response.headers
    assert got == b": hello\n\n" + chunk("Hi", usage=None) + chunk(" there") + DONE
    assert upstream.last.json()["stream_options"] == {"include_usage": True}
    charge = await world.only_charge()
    assert response.headers["x-request-id"] == str(charge["hold_id"])
    assert (charge["cost_source"], charge["input_tokens"], charge["output_tokens"]) == ("PROVIDER_USAGE", 10, 2)


async def test_usage_that_was_asked_for_is_passed_on(scripted: ScriptedWorld) -> None:
    world, upstream = scripted
    upstream.script = stream(chunk("Hi"), USAGE + DONE)
    async with world.chat(model="gpt-4o-mini", stream=True, stream_options={"include_usage": True}) as response:
        assert await response.read() == chunk("Hi") + USAGE + DONE


async def test_a_chunk_is_passed_on_before_the_next_one_comes(scripted: ScriptedWorld) -> None:
    world, upstream = scripted
    go_on = asyncio.Event()
    upstream.script = stream(chunk("Hi"), USAGE + DONE, until=go_on)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        assert await response.content.readuntil(b"\n\n") == chunk("Hi")
        go_on.set()
        assert await response.read() == DONE


async def test_a_long_stream_grows_slice_by_slice(world: World) -> None:
    await world.top_up("1.00")
    async with world.chat("hi [[tokens=9000 chunk_tokens=50]]", stream=True) as response:
        got = await response.read()
    assert got.endswith(DONE)
    charge = await world.only_charge()
    assert (charge["output_tokens"], charge["cost_source"]) == (9_000, "PROVIDER_USAGE")
    async with world.database.as_mandate(world.mandate_id) as connection:
        (hold,) = await connection.fetch("SELECT amount_nanos, used_nanos FROM hold")
    assert hold["amount_nanos"] >= 9_000 * OUTPUT_NANOS > 4_096 * OUTPUT_NANOS
    assert hold["used_nanos"] > 4_000 * OUTPUT_NANOS


async def test_a_stream_is_stopped_at_the_last_affordable_token(world: World) -> None:
    await world.post(5_000_000)
    async with world.chat("hi [[tokens=5000 chunk_tokens=5]]", stream=True, key=world.owner_key) as response:
        assert response.status == 200
        got = await response.read()
    *chunks, stop, done = got.split(b"\n\n")[:-1]
    assert done == b"data: [DONE]"
    stop_chunk = json.loads(stop.removeprefix(b"data: "))
    assert stop_chunk["choices"][0]["finish_reason"] == "error"
    assert stop_chunk["id"] == json.loads(chunks[0].removeprefix(b"data: "))["id"]
    error = stop_chunk["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    billing = error["billing"]
    assert billing["reason"] == "BALANCE_EXHAUSTED"
    assert billing["userAction"] == "TOP_UP_SELF"
    assert billing["requestId"] == response.headers["x-request-id"]
    charge = await world.only_charge()
    assert charge["cost_source"] == "ESTIMATED"
    delivered = "".join(
        json.loads(c.removeprefix(b"data: "))["choices"][0]["delta"].get("content") or "" for c in chunks
    )
    assert 0 <= charge["output_tokens"] - len(delivered.encode()) // 4 <= 2
    left = await world.balance()
    assert charge["amount_nanos"] + left == 5_000_000
    assert 0 <= left < 40 * OUTPUT_NANOS + 150 * INPUT_NANOS  # Less than what one more step would have wanted.


async def test_work_goes_on_when_money_arrives(world: World) -> None:
    await world.post(1_000)
    async with world.chat() as response:
        assert response.status == 402
    await world.top_up("1.00")
    async with world.chat() as response:
        assert response.status == 200


async def test_calls_without_limits_share_a_small_pool(world: World) -> None:
    """None freezes it for the others: each is granted a part, and all come through."""
    await world.change_settings(max_hold_share_percent=10)
    await world.top_up("0.10")

    async def one() -> int:
        async with world.chat("hi [[tokens=30]]") as response:
            return response.status

    assert await asyncio.gather(*(one() for _ in range(10))) == [200] * 10
    assert len(await world.charges()) == 10


async def test_many_at_once_spend_no_more_than_there_is(world: World) -> None:
    """Whoever gets an answer has paid for it; the others are told why not; nothing is left over that was affordable."""
    one_call = 2 * INPUT_NANOS + 300 * OUTPUT_NANOS
    await world.change_settings(exhausted_below_nanos=1)
    await world.post(10 * one_call + 500_000)

    async def one() -> int:
        async with world.chat("hi there [[tokens=300]]", max_tokens=300) as response:
            await response.read()
            return response.status

    statuses = await asyncio.gather(*(one() for _ in range(40)))
    assert set(statuses) <= {200, 402, 429}
    while await one() == 200:  # Who found the rest held by others may come back for it.
        statuses.append(200)
    charges = [charge["amount_nanos"] for charge in await world.charges()]
    assert charges == [one_call] * 10
    assert statuses.count(200) == 10
    assert await world.balance() == 500_000
    assert await world.open_holds() == 0
