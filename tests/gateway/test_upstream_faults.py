"""Every way in which an upstream can fail: what the client is told, what is charged, and that no hold stays behind."""

from __future__ import annotations

import asyncio
import json

import pytest

from bursar.foundation.database import Database
from tests.gateway.scripted import USAGE, answer, chat_body, chunk, scripted_upstream, stream
from tests.gateway.world import ScriptedWorld, World, open_world, upstream

ERRORS: dict[str, tuple[str, bool, int, str, str | None]] = {
    # fault                stream  status  code                    alert
    "500": ("500", False, 500, "demo_fault", None),
    "500 to a stream": ("500", True, 500, "demo_fault", None),
    "429": ("429", False, 429, "demo_fault", None),
    "our account": ("insufficient_quota", False, 503, "upstream_unavailable", "upstream_rejects_our_account"),
    "our account, stream": ("insufficient_quota", True, 503, "upstream_unavailable", "upstream_rejects_our_account"),
    "our key": ("401", False, 503, "upstream_unavailable", "upstream_rejects_our_account"),
    "our bill": ("402", False, 503, "upstream_unavailable", "upstream_rejects_our_account"),
    "elsewhere": ("redirect", False, 503, "upstream_unavailable", "upstream_redirects"),
}


@pytest.mark.parametrize("name", ERRORS)
async def test_an_upstreams_error_costs_nothing(world: World, name: str) -> None:
    fault, streams, status, code, alert = ERRORS[name]
    await world.top_up("1.00")
    async with world.chat(f"hi [[fault={fault}]]", stream=streams) as response:
        body = await response.json()
    assert response.status == status, body
    assert response.headers["x-request-id"]
    assert body["error"]["code"] == code
    assert "sk-upstream" not in json.dumps(body)
    assert [event for event, _ in world.alerts] == ([alert] if alert else [])
    assert await world.charges() == []
    assert await world.balance() == 1_000_000_000


CHARGED: dict[str, tuple[str, bool, str | None]] = {
    # fault                  stream  alert
    "no usage": ("no_usage", False, "usage_not_believed"),
    "no usage in a stream": ("no_usage", True, "usage_not_believed"),
    "negative usage": ("usage_negative", False, "usage_not_believed"),
    "usage of zero": ("usage_zero", True, "usage_not_believed"),
    "usage beyond all models": ("usage_huge", False, "usage_not_believed"),
    "a body that is no JSON": ("broken_json", False, "usage_not_believed"),
    "an empty body": ("empty", False, "usage_not_believed"),
    "ends without its end": ("end_after=3", True, "usage_not_believed"),
}


@pytest.mark.parametrize("name", CHARGED)
async def test_without_a_usage_to_believe_it_is_estimated_and_an_operator_hears_of_it(world: World, name: str) -> None:
    fault, streams, alert = CHARGED[name]
    await world.top_up("1.00")
    async with world.chat(f"hi [[tokens=40 fault={fault}]]", stream=streams) as response:
        await response.read()
    assert response.status == 200
    charge = await world.only_charge()
    assert charge["cost_source"] == "ESTIMATED"
    assert 0 < charge["amount_nanos"] < 2_000_000
    assert [event for event, _ in world.alerts] == [alert]
    assert world.alerts[0][1]["request_id"] == str(charge["hold_id"])
    assert await world.balance() == 1_000_000_000 - charge["amount_nanos"]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_usage_that_is_too_low_is_charged_and_an_operator_hears_of_it(world: World, streams: bool) -> None:
    await world.top_up("1.00")
    async with world.chat("hi [[tokens=300 fault=usage_low]]", stream=streams) as response:
        await response.read()
    charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("PROVIDER_USAGE", 1)
    ((event, facts),) = world.alerts
    assert event == "usage_understated"
    assert facts["why"].startswith("usage is low: 1 output tokens, but about ")
    assert facts["request_id"] == str(charge["hold_id"])


BROKEN = {
    "reset before the first byte": ("reset", False),
    "reset before the first byte of a stream": ("reset", True),
    "a body cut short": ("truncate_after=50", False),
    "silence": ("hang", False),
    "an encoded body": ("gzip", False),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_an_upstream_that_never_answers_is_a_503_and_its_input_is_charged(
    database: Database, demo_url: str, name: str
) -> None:
    fault, streams = BROKEN[name]
    async with open_world(database, [upstream(demo_url, timeout_seconds=1)]) as world:
        await world.top_up("1.00")
        async with world.chat(f"hi [[fault={fault}]]", stream=streams) as response:
            body = await response.json()
        assert response.status == 503
        assert body["error"]["code"] == "upstream_unavailable"
        assert response.headers["x-should-retry"] == "false"
        charge = await world.only_charge()
        assert (charge["cost_source"], charge["output_tokens"]) == ("ESTIMATED", 0)
        assert charge["amount_nanos"] < 1_000_000
        assert [event for event, _ in world.alerts] == ["upstream_broke_off"]
        await world.balance()


@pytest.mark.parametrize("fault", ["truncate_after=5", "hang_after=5"])
async def test_a_stream_that_breaks_off_says_so_and_costs_what_was_delivered(
    database: Database, demo_url: str, fault: str
) -> None:
    async with open_world(database, [upstream(demo_url, timeout_seconds=1)]) as world:
        await world.top_up("1.00")
        async with world.chat(f"hi [[tokens=100 fault={fault}]]", stream=True) as response:
            got = await response.read()
        *_, last, done = got.split(b"\n\n")[:-1]
        assert done == b"data: [DONE]"
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_unavailable"
        charge = await world.only_charge()
        assert charge["cost_source"] == "ESTIMATED"
        assert 0 < charge["output_tokens"] < 40


async def test_half_an_event_is_not_passed_on_before_the_error(scripted: ScriptedWorld) -> None:
    world, provider = scripted

    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        piece = chunk("Hi") + b'data: {"choi'
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    provider.script = cut
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        got = await response.read()
    assert got.startswith(chunk("Hi") + b'data: {"id"')
    assert b'"finish_reason":"error"' in got


async def test_an_error_event_passes_and_what_came_before_it_is_charged(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    error = b'data: {"error":{"message":"overloaded","type":"server_error","code":"overloaded"}}\n\n'
    provider.script = stream(chunk("Hi there"), error)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        assert await response.read() == chunk("Hi there") + error
    charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("ESTIMATED", 2)


async def test_an_error_event_instead_of_an_answer_costs_nothing(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    error = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
    provider.script = stream(error)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        assert await response.read() == error
    assert await world.charges() == []
    assert await world.balance() == 10_000_000_000


async def test_a_complaint_about_our_account_in_a_stream_is_not_shown(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    secret = b'data: {"error":{"message":"Your org-12345 has no credit","code":"insufficient_quota"}}\n\n'
    provider.script = stream(secret)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        got = await response.read()
    assert b"org-12345" not in got
    assert b'"code":"upstream_unavailable"' in got
    assert world.alerts_named("upstream_rejects_our_account")
    assert await world.charges() == []


async def test_an_error_in_a_body_of_200_costs_nothing(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    body = b'{"error":{"message":"overloaded"}}'
    provider.script = answer(body)
    async with world.chat(model="gpt-4o-mini") as response:
        assert await response.read() == body
        assert response.headers["x-bursar-cost"] == "0.000000000"
    assert await world.charges() == []


SHAPES: dict[str, tuple[bytes, str, str]] = {
    "a proxy's page": (b"<html>bad</html>", "502 Bad Gateway", "upstream_error"),
    "another API's error": (b'{"detail":"no"}', "422 Unprocessable", "upstream_error"),
    "its own error": (
        b'{"error":{"message":"m","type":"t","param":"p","code":"c","more":[1]}}',
        "400 Bad Request",
        "c",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_an_error_is_passed_in_the_shape_of_the_api(scripted: ScriptedWorld, name: str) -> None:
    body, status, code = SHAPES[name]
    world, provider = scripted
    provider.script = answer(body, status=status, retry_after="7", content_type="text/html")
    async with world.chat(model="gpt-4o-mini") as response:
        got = await response.read()
    assert response.status == int(status[:3])
    assert response.headers["retry-after"] == "7"
    assert json.loads(got)["error"]["code"] == code
    if code == "c":
        assert got == body


async def test_an_upstream_that_cannot_be_reached_costs_nothing_and_another_one_is_tried(database: Database) -> None:
    async with scripted_upstream() as provider:
        dead = upstream("http://127.0.0.1:1/v1", "gpt-*", name="dead", order=1)
        alive = upstream(provider.url, "gpt-*", name="alive", order=2)
        async with open_world(database, [dead, alive]) as world:
            await world.top_up("1.00")
            async with world.chat(model="gpt-4o-mini") as response:
                assert response.status == 200
            assert (await world.only_charge())["upstream"] == "alive"
            assert world.alerts_named("upstream_unreachable")[0]["upstream"] == "dead"
        async with open_world(database, [dead]) as world:
            await world.top_up("1.00")
            async with world.chat(model="gpt-4o-mini") as response:
                assert response.status == 503
                assert (await response.json())["error"]["code"] == "upstream_unavailable"
            assert await world.balance() == 1_000_000_000


async def test_a_kept_connection_that_has_timed_out_is_replaced(scripted: ScriptedWorld) -> None:
    """The second call finds a connection that its upstream closes at that very moment."""
    world, provider = scripted
    closing = False

    async def script(writer: asyncio.StreamWriter) -> None:
        nonlocal closing
        if closing:
            closing = False
            writer.transport.abort()
        else:
            await answer(chat_body())(writer)

    provider.script = script
    async with world.chat(model="gpt-4o-mini") as response:
        assert response.status == 200
    closing = True
    async with world.chat(model="gpt-4o-mini") as response:
        assert response.status == 200
    assert len(provider.received) == 3
    assert len(await world.charges()) == 2


async def test_a_provider_that_ignores_its_limit_is_an_overrun(world: World) -> None:
    """The payer bears what is there, the operator the rest, and hears of it."""
    await world.post(3_000_000)
    async with world.chat("hi [[tokens=5000 fault=ignore_limit]]", max_tokens=300) as response:
        assert response.status == 200
    charge, overrun = sorted(await world.charges(), key=lambda each: each["kind"])
    assert (charge["kind"], charge["amount_nanos"]) == ("CHARGE", 3_000_000)
    assert overrun["kind"] == "OVERRUN"
    assert overrun["amount_nanos"] > 15_000_000
    assert await world.balance() == 0
    assert world.alerts_named("overrun")


async def test_usage_that_comes_before_the_stream_is_cut_is_charged(scripted: ScriptedWorld) -> None:
    world, provider = scripted

    async def cut(writer: asyncio.StreamWriter) -> None:
        await stream(chunk("Hi") + USAGE)(writer)

    provider.script = cut
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        assert await response.read() == chunk("Hi")
    charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("PROVIDER_USAGE", 2)
