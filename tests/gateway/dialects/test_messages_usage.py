"""Messages: usage out of a body, or out of the two events of a stream that tell it, and what is charged by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.messages_answers import TOOL_USE_TOKENS
from bursar.gateway.dialects.seam import Reading, UsageReport
from bursar.gateway.meter import Ending, Meter
from bursar.gateway.sse import SseEvent
from bursar.ledger.model import CostSource
from bursar.pricing.quote import quote
from tests.gateway.dialects.transcripts import PLENTY_NANOS
from tests.pricing.samples import priced


def body(usage: Any) -> UsageReport:
    return MESSAGES.read_body(json.dumps({"type": "message", "content": [], "usage": usage}).encode()).report


def event(**data: Any) -> Reading:
    raw = json.dumps(data).encode()
    return MESSAGES.read_event(SseEvent(raw, raw, b""))


def stream(start: Any, delta: Any) -> UsageReport:
    opening = event(type="message_start", message={"usage": start}).report.opening
    closing = event(type="message_delta", delta={}, usage=delta).report
    return closing.complete(opening) if closing.complete is not None else closing


START = {"input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30, "output_tokens": 1}
HOUR = {"cache_creation": {"ephemeral_1h_input_tokens": 30, "ephemeral_5m_input_tokens": 0}}
PLAIN = {"input_tokens": 60, "cached_input_tokens": 20, "cache_write_tokens": 30, "output_tokens": 9}


@pytest.mark.parametrize(
    ("start", "delta", "expected"),
    [
        (START, {"output_tokens": 9}, PLAIN),
        (START, {**START, "output_tokens": 9}, PLAIN),
        (START, {"output_tokens": 9, "input_tokens": None, "cache_read_input_tokens": None}, PLAIN),
        (START, {"output_tokens": 9, "input_tokens": 110}, {**PLAIN, "input_tokens": 160}),
        (START, {"output_tokens": 9, "input_tokens": 0}, {**PLAIN, "input_tokens": 50}),
        (
            START,
            {"output_tokens": 9, "input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
            {"input_tokens": 60, "output_tokens": 9},
        ),
        ({**START, **HOUR}, {"output_tokens": 9}, {**PLAIN, "cache_write_1h_tokens": 30}),
        (
            {**START, **HOUR},
            {"output_tokens": 9, "cache_creation_input_tokens": 50},
            {**PLAIN, "input_tokens": 80, "cache_write_tokens": 50, "cache_write_1h_tokens": 50},
        ),
        (
            {**START, "service_tier": "priority", "speed": "fast"},
            {"output_tokens": 9},
            {**PLAIN, "service_tier": "priority", "speed": "fast"},
        ),
        (
            {**START, "server_tool_use": {"web_search_requests": 1}},
            {"output_tokens": 9, "server_tool_use": {"web_search_requests": 3, "new_tool_requests": 1}},
            {**PLAIN, "web_searches": 3},
        ),
        (None, {"output_tokens": 9, "input_tokens": 4}, {"input_tokens": 4, "output_tokens": 9}),
    ],
)
def test_a_stream_tells_its_usage_in_two_parts(start: Any, delta: Any, expected: dict[str, Any]) -> None:
    usage = stream(start, delta).usage
    assert usage is not None
    assert usage.counts() == expected


def test_thinking_is_part_of_the_output() -> None:
    usage = body({"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 11}}).usage
    assert usage is not None
    assert usage.reasoning_tokens == 9


def test_compacting_the_context_is_used_beside_the_totals() -> None:
    iterations = [
        {"type": "compaction", "input_tokens": 1000, "output_tokens": 50, "cache_read_input_tokens": 7},
        {"type": "message", "input_tokens": 10, "output_tokens": 9},
    ]
    usage = body({"input_tokens": 10, "output_tokens": 9, "iterations": iterations}).usage
    assert usage is not None
    assert usage.counts() == {"input_tokens": 1017, "cached_input_tokens": 7, "output_tokens": 59}


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": "many"},
        [],
        {"input_tokens": 1.5},
        {"output_tokens": -4},
    ],
)
def test_a_usage_that_makes_no_sense_is_said_to(usage: Any) -> None:
    assert body(usage).absurd
    assert stream(START, usage).absurd
    assert event(type="message_start", message={"usage": usage}).report.opening is None


def test_what_is_output_and_what_is_not() -> None:
    def produced(**data: Any) -> tuple[str, int]:
        return event(**data).produced

    def delta(**data: Any) -> tuple[str, int]:
        return produced(type="content_block_delta", index=0, delta=data)

    assert delta(type="text_delta", text="a") == ("a", 0)
    assert delta(type="thinking_delta", thinking="hm") == ("hm", 0)
    assert delta(type="input_json_delta", partial_json='{"') == ('{"', 0)
    assert delta(type="compaction_delta", content="so far") == ("so far", 0)
    assert delta(type="signature_delta", signature="Eq") == ("", 0)
    assert delta(type="citations_delta", citation={"cited_text": "x"}) == ("", 0)
    assert delta(type=["new"], text="a") == ("a", 0)
    start = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    assert produced(type="content_block_start", content_block=start) == ("look", TOOL_USE_TOKENS)
    found = {"type": "web_search_tool_result", "content": [{"title": "long", "encrypted_content": "Eq"}]}
    assert produced(type="content_block_start", content_block=found) == ("", 0)
    hidden = {"type": "redacted_thinking", "data": "x" * 50}
    assert produced(type="content_block_start", content_block=hidden) == ("", 10)


# --- what is charged -------------------------------------------------------------------------------------------------

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 1}


def meter(**members: Any) -> Meter:
    content = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi " * 50}], **members}
    request = MESSAGES.read_request(json.dumps(content).encode(), frozenset())
    price = priced("anthropic:claude-haiku-4-5")
    wanted = quote(price, request.bounds(price.facts, exact=False))
    return Meter(request, price, wanted, PLENTY_NANOS)


def test_an_estimate_takes_the_input_that_the_provider_has_told() -> None:
    running = meter(stream=True)
    running.add(event(type="message_start", message={"usage": START}))
    assert not running.has_usage
    running.add(event(type="content_block_delta", delta={"type": "text_delta", "text": "word " * 8}))
    price = priced("anthropic:claude-haiku-4-5")
    bound = running._request.bounds(price.facts, exact=True)
    usage = running.charge(Ending.STOPPED, bound).usage
    assert (usage.input_tokens, usage.cached_input_tokens) == (60, 20)
    assert usage.output_tokens >= 8


def test_an_estimate_does_not_believe_an_input_above_its_bound() -> None:
    running = meter(stream=True)
    running.add(event(type="message_start", message={"usage": {"input_tokens": 10_000_000, "output_tokens": 1}}))
    bound = running._request.bounds(priced("anthropic:claude-haiku-4-5").facts, exact=True)
    assert running.charge(Ending.STOPPED, bound).usage.input_tokens == bound.input_tokens


@pytest.mark.parametrize(("tools", "source"), [([], CostSource.ESTIMATED), ([SEARCH], CostSource.PROVIDER_USAGE)])
def test_tools_of_the_provider_may_take_in_more_than_one_window(tools: list[Any], source: CostSource) -> None:
    running = meter(tools=tools)
    answer = {"type": "message", "content": [], "usage": {"input_tokens": 500_000, "output_tokens": 5}}
    running.add(MESSAGES.read_body(json.dumps(answer).encode()))
    bound = running._request.bounds(priced("anthropic:claude-haiku-4-5").facts, exact=True)
    assert running.charge(Ending.COMPLETE, bound).cost_source is source
