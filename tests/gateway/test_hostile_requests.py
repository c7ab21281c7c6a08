"""Requests that try to get more than they pay for, or to break something: refused by name, bounded, never a 500."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.responses import RESPONSES
from bursar.gateway.dialects.seam import Dialect, GatewayFault
from bursar.pricing.model import NotPriced
from bursar.pricing.quote import quote
from tests.gateway.scripted import USAGE, answer, chat_body, chunk, stream
from tests.gateway.test_meter import PRICED, priced
from tests.gateway.world import INPUT_NANOS, OUTPUT_NANOS, ScriptedWorld, World

HI = [{"role": "user", "content": "hi"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "demo-1", "messages": HI, **fields}).encode()


def nested(depth: int) -> bytes:
    deep = b"[" * depth + b"]" * depth
    return b'{"model":"demo-1","messages":[{"role":"user","content":"a","x":%b}]}' % deep


REFUSED: dict[str, tuple[bytes, int, str | None]] = {
    # what is sent                                       status  field
    "n beyond any account": (body(n=10**30), 400, None),
    "n above 64 bits and more": (b'{"model":"demo-1","messages":[],"n":' + b"9" * 5_000 + b"}", 400, "n"),
    "n as text": (body(n="3"), 400, "n"),
    "n below zero": (body(n=-1), 400, "n"),
    "n as infinity": (b'{"model":"demo-1","messages":[],"n":1e309}', 400, "n"),
    "NaN": (b'{"model":"demo-1","messages":[],"n":NaN}', 400, None),
    "no output": (body(max_tokens=0), 400, "max_tokens"),
    "a limit below zero": (body(max_completion_tokens=-5), 400, "max_completion_tokens"),
    "a limit as a float": (body(max_tokens=5.5), 400, "max_tokens"),
    "a limit as a truth": (body(max_tokens=True), 400, "max_tokens"),
    "a name that only looks like another": (body(max_tоkens=5), 400, "max_tоkens"),
    "a name in capitals": (body(MAX_TOKENS=5), 400, "MAX_TOKENS"),
    "a vendor's own member": (body(extra_body={"thinking": True}), 400, "extra_body"),
    "a provider's tool": (body(tools=[{"type": "web_search"}]), 400, "tools[0].web_search"),
    "a search without a price": (body(web_search_options={}), 400, "web_search"),
    "an output that nobody knows": (body(modalities=["video"]), 400, "modalities"),
    "a part that nobody knows": (
        body(messages=[{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]}]),
        400,
        "messages[0].content[].video_url",
    ),
    "a part that is no list": (
        body(messages=[{"role": "user", "content": {"type": "image_url", "image_url": {"url": "http://x"}}}]),
        400,
        "messages[0].content",
    ),
    "usage as one likes it": (
        body(stream=True, stream_options={"include_usage": "no"}),
        400,
        "stream_options.include_usage",
    ),
    "a model with an end in it": (body(model="demo-1\x00"), 404, "model"),
    "a model of a line more": (body(model="demo-1\r\nx: y"), 404, "model"),
    "a model as a glob": (body(model="demo-*"), 400, "model"),
    "a model without a name": (body(model=""), 404, "model"),
    "a very long name": (body(model="demo-" + "1" * 100_000), 400, "model"),
    "half a character": (b'{"model":"demo-\\ud800","messages":[]}', 400, None),
    "nothing": (b"", 400, None),
    "a list": (b"[]", 400, None),
    "two objects": (body() + body(), 400, None),
    "very deep": (nested(100_000), 400, None),
}  # fmt: skip


@pytest.fixture
async def rich(world: World) -> World:
    await world.top_up("1.00")
    return world


async def test_refused_and_nothing_is_held(rich: World) -> None:
    headers = {"authorization": f"Bearer {rich.user_key}"}
    for name, (sent, status, field) in REFUSED.items():
        async with rich.session.post(f"{rich.url}/v1/chat/completions", data=sent, headers=headers) as response:
            error = json.loads(await response.read())["error"]
            assert (response.status, error["param"]) == (status, field), name
        assert await rich.balance() == 1_000_000_000, name
        assert not rich.records[-1].usage, name


async def test_any_depth_is_served_or_refused(rich: World) -> None:
    headers = {"authorization": f"Bearer {rich.user_key}"}
    for depth in range(900, 1_000, 9):
        sent = nested(depth)
        async with rich.session.post(f"{rich.url}/v1/chat/completions", data=sent, headers=headers) as response:
            assert response.status in (200, 400), depth
    await rich.balance()


async def test_the_last_of_two_names_counts_here_and_upstream(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    twice = b'{"model":"gpt-4o-mini","messages":%b,"max_tokens":1,"max_tokens":50,"n":9,"n":1}'
    twice %= json.dumps(HI).encode()
    headers = {"authorization": f"Bearer {world.user_key}"}
    async with world.session.post(f"{world.url}/v1/chat/completions", data=twice, headers=headers) as response:
        assert response.status == 200
    assert provider.last.body.count(b'"max_tokens"') == provider.last.body.count(b'"n"') == 1
    assert (provider.last.json()["max_tokens"], provider.last.json()["n"]) == (50, 1)
    await world.balance()


# --- what is bounded, per dialect ------------------------------------------------------------------------------------

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"


def blocks(*content: Any) -> dict[str, Any]:
    return {"max_tokens": 5, "messages": [{"role": "user", "content": list(content)}]}


def result(*content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(content)}


IMAGE = {"type": "image", "source": {"type": "url", "url": "http://x"}}
DOCUMENT = {"type": "document", "source": {"type": "file", "file_id": "f"}}
DEARER: dict[str, tuple[Dialect, dict[str, Any], dict[str, Any]]] = {
    # the dialect          what is cheap                       what costs more, and must be held for
    "several choices": (CHAT_COMPLETIONS, {}, {"n": 5}),
    "the larger limit": (CHAT_COMPLETIONS, {"max_tokens": 9}, {"max_tokens": 9, "max_completion_tokens": 9_000}),
    "a schema": (CHAT_COMPLETIONS, {}, {"response_format": {"type": "json_schema", "json_schema": {"d": "x y " * 99}}}),
    "an image by URL": (
        CHAT_COMPLETIONS,
        {},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]},
    ),
    "an image under text's name": (
        CHAT_COMPLETIONS,
        {},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "image_url": {"url": PIXEL}}]}]},
    ),
    "a file": (
        CHAT_COMPLETIONS,
        {},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
    ),
    "sound heard before": (CHAT_COMPLETIONS, {}, {"messages": [*HI, {"role": "assistant", "audio": {"id": "a"}}]}),
    "a long name": (CHAT_COMPLETIONS, {}, {"messages": [{"role": "user", "name": "x y " * 99, "content": "hi"}]}),
    "what is not known in a message": (CHAT_COMPLETIONS, {}, {"messages": [{**HI[0], "more": ["x y " * 99]}]}),
    "an earlier response": (RESPONSES, {"input": "hi"}, {"input": "hi", "previous_response_id": "resp_1"}),
    "a reference": (RESPONSES, {"input": "hi"}, {"input": [{"type": "item_reference", "id": "m"}]}),
    "an image in a tool's result": (MESSAGES, blocks("hi"), blocks(result(IMAGE))),
    "a document": (MESSAGES, blocks("hi"), blocks(DOCUMENT)),
    "a document in a result": (MESSAGES, blocks("hi"), blocks(result(DOCUMENT))),
}  # fmt: skip


def held(dialect: Dialect, fields: dict[str, Any], *, exact: bool) -> int:
    given = {"messages": HI, **fields} if dialect is CHAT_COMPLETIONS else fields
    request = dialect.read_request(json.dumps({"model": "gpt-4o-mini", **given}).encode(), frozenset())
    return quote(PRICED, request.bounds(PRICED.facts, exact=exact)).desired_nanos


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", DEARER)
def test_what_costs_more_is_held_for(name: str, exact: bool) -> None:
    dialect, cheap, dear = DEARER[name]
    cheap = {**cheap, "messages": HI} if dialect is MESSAGES else cheap
    assert held(dialect, dear, exact=exact) > held(dialect, cheap, exact=exact)


NOT_SOLD: dict[str, tuple[str, dict[str, Any], str]] = {
    "a model that always searches": ("gpt-4o-search-preview", {}, "web_search"),
    "speech at the price of text": ("gpt-4o-audio-preview", {"modalities": ["text", "audio"]}, "audio output"),
    "speech by its voice": ("gpt-4o-audio-preview", {"audio": {"voice": "ash", "format": "wav"}}, "audio output"),
    "pictures at the price of text": ("gpt-4o", {"modalities": ["image"]}, "image output"),
    "listening at the price of reading": (
        "gpt-4o-audio-preview",
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}
            ]
        },
        "audio input",
    ),
}


@pytest.mark.parametrize("name", NOT_SOLD)
def test_what_the_price_does_not_know_is_not_sold(name: str) -> None:
    model, fields, kind = NOT_SOLD[name]
    request = CHAT_COMPLETIONS.read_request(
        json.dumps({"model": model, "messages": HI, **fields}).encode(), frozenset()
    )
    one = priced(model)
    with pytest.raises(NotPriced) as caught:
        quote(one, request.bounds(one.facts, exact=False))
    assert caught.value.kind == kind


def test_messages_content_is_text_or_blocks() -> None:
    for sent in (
        b'{"type":"image","source":{"type":"url","url":"x"}}',
        b'[{"type":"tool_result","content":{"type":"image"}}]',
    ):
        with pytest.raises(GatewayFault) as caught:
            MESSAGES.read_request(
                b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":%b}]}' % sent, frozenset()
            )
        assert (caught.value.field or "").startswith("messages[0].content")


# --- on the wire -----------------------------------------------------------------------------------------------------


async def on_the_wire(world: World, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(sent)
    writer.write_eof()
    async with asyncio.timeout(30):
        got = await reader.read()
    writer.close()
    return got


def post(world: World, sent: bytes, *headers: bytes) -> bytes:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + world.user_key.encode()
    return b"\r\n".join([head, *headers, b"content-type: application/json", b"", b""]) + sent


async def test_requests_behind_each_other_are_all_charged(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    sent = json.dumps({"model": "gpt-4o-mini", "messages": HI}).encode()
    one = post(world, sent, b"content-length: %d" % len(sent))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(one * 3)
    for _ in range(3):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200")
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
    writer.close()
    assert len(await world.charges()) == len(provider.received) == 3
    await world.balance()


SMUGGLED = {
    "two lengths": (b"content-length: 5", b"content-length: 500"),
    "a length and chunks": (b"content-length: 5", b"transfer-encoding: chunked"),
    "a length that is none": (b"content-length: +5",),
    "an encoding that is none": (b"transfer-encoding: xchunked",),
    "a folded header": (b"x-a: 1\r\n content-length: 0", b"content-length: 5"),
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_a_request_that_two_readers_would_read_differently_reaches_nobody(
    scripted: ScriptedWorld, name: str
) -> None:
    world, provider = scripted
    sent = json.dumps({"model": "gpt-4o-mini", "messages": HI}).encode()
    inner = post(world, sent, b"content-length: %d" % len(sent))
    got = await on_the_wire(world, post(world, b"0\r\n\r\n" + inner, *SMUGGLED[name]))
    assert got == b"" or got.startswith(b"HTTP/1.1 400")
    await world.settled()
    assert not provider.received
    assert await world.balance() == 10_000_000_000


# --- upstreams that lie ----------------------------------------------------------------------------------------------

WORDS = "one two three four five six seven eight nine ten " * 40
"""400 tokens."""
LIES: dict[str, tuple[Any, str]] = {
    # what it says was used                                                          what is charged by
    "nothing": ({"prompt_tokens": 10, "completion_tokens": 0}, "ESTIMATED"),
    "less than nothing": ({"prompt_tokens": 10, "completion_tokens": -5}, "ESTIMATED"),
    "text": ("many", "ESTIMATED"),
    "numbers as text": ({"prompt_tokens": "10", "completion_tokens": "5"}, "ESTIMATED"),
    "a fraction": ({"prompt_tokens": 10, "completion_tokens": 5.5}, "ESTIMATED"),
    "null": (None, "ESTIMATED"),
    "a part larger than the whole": (
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 11}},
        "ESTIMATED",
    ),
    "more than there are atoms": ({"prompt_tokens": 10**80, "completion_tokens": 10**80}, "ESTIMATED"),
    "more than the model can": ({"prompt_tokens": 10, "completion_tokens": 16_385}, "ESTIMATED"),
    "more than was asked for": ({"prompt_tokens": 10, "completion_tokens": 5_000}, "PROVIDER_USAGE"),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", LIES)
async def test_an_upstream_that_lies_takes_no_more_than_there_is(
    scripted: ScriptedWorld, name: str, streamed: bool
) -> None:
    world, provider = scripted
    usage, source = LIES[name]
    whole = json.loads(chat_body(WORDS))
    provider.script = (
        stream(chunk(WORDS), chunk(None, usage=usage), b"data: [DONE]\n\n")
        if streamed
        else answer(json.dumps({**whole, "usage": usage}).encode())
    )
    async with world.chat(model="gpt-4o-mini", stream=streamed, max_tokens=1_000) as response:
        assert response.status == 200
        await response.read()
    charge = await world.only_charge()
    assert charge["cost_source"] == source
    if source == "ESTIMATED":
        assert 395 <= charge["output_tokens"] <= 405
        assert charge["amount_nanos"] <= 1_300 * max(INPUT_NANOS, OUTPUT_NANOS)
        assert world.alerts_named("usage_not_believed")
    else:
        assert world.alerts_named("overrun") or charge["output_tokens"] == 5_000
    assert await world.balance() >= 0


async def test_an_early_report_of_usage_does_not_pay_for_what_comes_after_it(scripted: ScriptedWorld) -> None:
    """Some servers report usage with their first chunk: it is no proof that the rest is covered."""
    world, provider = scripted
    early = chunk("Hi", usage={"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11})
    provider.script = stream(early, *[chunk(WORDS) for _ in range(50)], USAGE, b"data: [DONE]\n\n")
    await world.drain_to(100 * 120 + 600 * 480)  # By the catalogue, for gpt-4o-mini: some 600 tokens of output.
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        got = await response.read()
    assert b'"insufficient_quota"' in got
    assert got.count(b"ten ") < 2 * 40
    charge = await world.only_charge()
    assert charge["cost_source"] == "ESTIMATED"
    assert await world.balance() >= 0
