"""Messages: what Anthropic's official client makes of our bytes."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.seam import ErrorAnswer, FaultKind, GatewayFault
from bursar.ledger.model import Reason
from tests.billing.facts import REQUEST_ID
from tests.gateway.dialects.answering import Answering, answering, json_of, stream_of
from tests.gateway.dialects.transcripts import load, real_refusal

CALL: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "Tell me a story."}],
}


def client(server: Answering) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=server.url, api_key="bur_x", max_retries=2)


async def test_a_402_is_raised_once_and_carries_the_billing_object() -> None:
    async with answering(MESSAGES.refusal(real_refusal())) as server, client(server) as claude:
        with pytest.raises(anthropic.PaymentRequiredError) as caught:
            await claude.messages.create(**CALL)
    assert server.requests == ["/v1/messages"]
    assert caught.value.request_id == REQUEST_ID
    assert caught.value.type == "billing_error"
    body: Any = caught.value.body
    assert body["error"]["billing"]["requestId"] == REQUEST_ID


async def test_held_funds_are_tried_again() -> None:
    status, headers, body = MESSAGES.refusal(real_refusal(Reason.FUNDS_HELD))
    headers = tuple((name, b"0" if name == b"retry-after" else value) for name, value in headers)
    async with answering(ErrorAnswer(status, headers, body)) as server, client(server) as claude:
        with pytest.raises(anthropic.RateLimitError):
            await claude.messages.create(**CALL)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.UNKNOWN_KEY, anthropic.AuthenticationError),
        (FaultKind.FEATURE_NOT_PRICED, anthropic.BadRequestError),
        (FaultKind.UNKNOWN_MODEL, anthropic.NotFoundError),
    ],
)
async def test_other_errors_are_raised(kind: FaultKind, expected: type[anthropic.APIStatusError]) -> None:
    async with answering(MESSAGES.fault(GatewayFault(kind, "No."), "r-1")) as server, client(server) as claude:
        with pytest.raises(expected, match="No\\."):
            await claude.messages.create(**CALL)
    assert len(server.requests) == 1


async def test_a_stream_that_is_stopped_raises_after_the_text_that_came() -> None:
    upstream = load("messages", "stream_stopped").upstream
    events = upstream.split(b"\n\n")
    body = b"\n\n".join(events[:4]) + b"\n\n" + MESSAGES.stop_events(real_refusal(), b"", b"")
    pieces: list[str] = []

    async def read() -> None:
        async with claude.messages.stream(**CALL) as stream:
            async for piece in stream.text_stream:
                pieces.append(piece)

    async with answering(stream_of(body)) as server, client(server) as claude:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await read()
    assert "".join(pieces) == "Once upon a time there was"
    assert caught.value.type == "billing_error"
    error: Any = caught.value.body
    assert error["error"]["billing"]["reason"] == "BALANCE_EXHAUSTED"
    assert len(server.requests) == 1


async def test_our_transcripts_are_what_the_client_understands() -> None:
    transcript = load("messages", "stream_tool")
    async with (
        answering(stream_of(transcript.upstream)) as server,
        client(server) as claude,
        claude.messages.stream(**CALL) as stream,
    ):
        message = await stream.get_final_message()
    assert message.usage.output_tokens == transcript.expected["usage"]["output_tokens"]
    assert message.content[1].type == "tool_use"
    assert message.content[1].input == {"location": "San Francisco, CA", "unit": "fahrenheit"}

    transcript = load("messages", "cached")
    async with answering(json_of(transcript.upstream)) as server, client(server) as claude:
        usage = (await claude.messages.create(**CALL)).usage
    assert usage.input_tokens + (usage.cache_creation_input_tokens or 0) == 429
