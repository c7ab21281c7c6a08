"""Responses: what OpenAI's official client makes of our bytes."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai.types.responses import ResponseFailedEvent, ResponseTextDeltaEvent

from bursar.gateway.dialects.responses import RESPONSES
from bursar.gateway.dialects.seam import FaultKind, GatewayFault
from tests.billing.facts import REQUEST_ID
from tests.gateway.dialects.answering import Answering, answering, json_of, stream_of
from tests.gateway.dialects.transcripts import load, real_refusal

CALL: dict[str, Any] = {"model": "gpt-4.1", "input": "Tell me a story."}


def client(server: Answering) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="bur_x", max_retries=2)


async def test_a_402_is_raised_once_and_carries_the_billing_object() -> None:
    async with answering(RESPONSES.refusal(real_refusal())) as server, client(server) as gpt:
        with pytest.raises(openai.APIStatusError) as caught:
            await gpt.responses.create(**CALL)
    assert server.requests == [RESPONSES.route]
    assert (caught.value.status_code, caught.value.code) == (402, "insufficient_quota")
    assert caught.value.request_id == REQUEST_ID
    body: Any = caught.value.body
    assert body["billing"]["requestId"] == REQUEST_ID


async def test_a_fault_is_raised() -> None:
    fault = GatewayFault(FaultKind.FEATURE_NOT_PRICED, "No.", field="background")
    async with answering(RESPONSES.fault(fault, "r-1")) as server, client(server) as gpt:
        with pytest.raises(openai.BadRequestError) as caught:
            await gpt.responses.create(**CALL)
    assert (caught.value.code, caught.value.param) == ("feature_not_priced", "background")
    assert len(server.requests) == 1


async def test_a_stream_that_is_stopped_ends_with_a_failed_response_after_the_text_that_came() -> None:
    events = load("responses", "stream_stopped").upstream.split(b"\n\n")
    data = [each.partition(b"data: ")[2] for each in events[:6]]
    body = b"\n\n".join(events[:6]) + b"\n\n" + RESPONSES.stop_events(real_refusal(), data[0], data[-1])
    text, numbers, last = "", [], None
    async with answering(stream_of(body)) as server, client(server) as gpt:
        async for event in await gpt.responses.create(**CALL, stream=True):
            numbers.append(event.sequence_number)
            last = event
            if isinstance(event, ResponseTextDeltaEvent):
                text += event.delta
    assert text == "Once upon a time there was"
    assert numbers == list(range(7))
    assert isinstance(last, ResponseFailedEvent)
    assert (last.response.id, last.response.status) == ("resp_01", "failed")
    error: Any = last.response.error
    assert error.code == "insufficient_quota"
    assert error.billing["reason"] == "BALANCE_EXHAUSTED"
    assert len(server.requests) == 1


async def test_the_clients_own_stream_helper_keeps_the_text_too() -> None:
    upstream = load("responses", "stream_stopped").client
    seen: list[str] = []
    async with (
        answering(stream_of(upstream)) as server,
        client(server) as gpt,
        gpt.responses.stream(**CALL) as stream,
    ):
        async for event in stream:
            seen.append(event.type)
    assert seen.count("response.output_text.delta") == 2
    assert seen[-1] == "response.failed"


async def test_our_transcripts_are_what_the_client_understands() -> None:
    transcript = load("responses", "stream_tool")
    async with (
        answering(stream_of(transcript.upstream)) as server,
        client(server) as gpt,
        gpt.responses.stream(**CALL) as stream,
    ):
        final = await stream.get_final_response()
    assert final.output[0].type == "function_call"
    assert final.usage is not None
    assert final.usage.output_tokens == transcript.expected["usage"]["output_tokens"]

    async with answering(json_of(load("responses", "reasoning").upstream)) as server, client(server) as gpt:
        assert (await gpt.responses.create(**CALL)).output_text == '{"n":24462}'
