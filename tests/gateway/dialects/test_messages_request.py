"""Messages: what a request may cost at most, what is refused, what is written upstream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.seam import CallRequest, Edits, FaultKind, GatewayFault, headers_upstream
from bursar.pricing.model import NotPriced
from bursar.pricing.quote import RequestBound, quote
from tests.pricing.samples import priced

USER = [{"role": "user", "content": "hi"}]
SONNET = "anthropic:claude-sonnet-4-5"
NOBODY: frozenset[str] = frozenset()


def read(allowed: frozenset[str] = NOBODY, **members: Any) -> CallRequest:
    body = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": USER, **members}
    return MESSAGES.read_request(json.dumps(body).encode(), allowed)


def bound(*, exact: bool = False, price: str = SONNET, **members: Any) -> RequestBound:
    return read(**members).bounds(priced(price).facts, exact=exact)


def block(**members: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [members]}]


def refusal(allowed: frozenset[str] = NOBODY, **members: Any) -> GatewayFault:
    with pytest.raises(GatewayFault) as caught:
        read(allowed, **members).bounds(priced(SONNET).facts, exact=False)
    return caught.value


# --- what is refused -------------------------------------------------------------------------------------------------

REFUSED: dict[str, Any] = {
    "mcp_servers": [{"type": "url", "url": "https://mcp.example.ch", "name": "x"}],
    "container": "container_1",
    "thread": {"type": "create"},
    "fallbacks": "default",
    "inference_geo": "us",
    "billing_policy": {"type": "billing_policy", "bill_to": "user_profile"},
    "workspace_id": "wrkspc_1",
    "user_profile_id": "uprof_1",
    "compaction": {"type": "enabled"},
    "brand_new": 1,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_field_without_a_bound_is_refused_unless_an_operator_lets_it_pass(name: str) -> None:
    fault = refusal(NOBODY, **{name: REFUSED[name]})
    assert (fault.kind, fault.field) == (FaultKind.FEATURE_NOT_PRICED, name)
    assert "BURSAR_UNPRICED_FIELDS" in fault.message
    assert read(frozenset({name}), **{name: REFUSED[name]}).model == "claude-sonnet-4-5"


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - {"brand_new"}))
def test_a_field_that_is_null_asks_for_nothing(name: str) -> None:
    assert read(NOBODY, **{name: None}).model == "claude-sonnet-4-5"


def test_inference_everywhere_is_at_the_price_that_is_known() -> None:
    assert read(inference_geo="global").model == "claude-sonnet-4-5"


TOOLS_REFUSED: dict[str, dict[str, Any]] = {
    "code_execution_20250825": {"name": "code_execution"},
    "mcp_toolset": {"mcp_server_name": "x"},
    "advisor_20260301": {"name": "advisor", "model": "claude-opus-4-8", "max_uses": 1},
    "web_search_20250305": {"name": "web_search"},
    "web_fetch_20260318": {"name": "web_fetch", "max_content_tokens": 10},
    "brand_new_20270101": {"name": "x", "max_uses": 1},
}


@pytest.mark.parametrize("kind", TOOLS_REFUSED)
def test_a_tool_of_the_provider_without_a_cap_or_a_price_is_refused(kind: str) -> None:
    fault = refusal(tools=[{"name": "f", "input_schema": {}}, {"type": kind, **TOOLS_REFUSED[kind]}])
    assert (fault.kind, fault.field) == (FaultKind.FEATURE_NOT_PRICED, f"tools[1].{kind}")


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"messages": block(type="container_upload", file_id="f")}, "messages[0].content[].container_upload"),
        ({"messages": block(type="tool_addition", tool={})}, "messages[0].content[].tool_addition"),
        ({"messages": block(type="tool_result", content=[{"type": "new"}])}, "messages[0].content[].content[].new"),
        (
            {"context_management": {"edits": [{"type": "compact_20260112"}]}},
            "context_management.edits[].compact_20260112",
        ),
        ({"system": [{"type": "video"}]}, "system[].video"),
    ],
)
def test_content_without_a_bound_is_refused(members: dict[str, Any], field: str) -> None:
    fault = refusal(**members)
    assert (fault.kind, fault.field) == (FaultKind.FEATURE_NOT_PRICED, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"model":"m","messages":[]}', "max_tokens"),
        (b'{"max_tokens":1,"messages":[]}', "model"),
        (b'{"model":"m","max_tokens":"1","messages":[]}', "max_tokens"),
        (b'{"model":"m","max_tokens":-1,"messages":[]}', "max_tokens"),
        (b'{"model":"m","max_tokens":1,"messages":{}}', None),
        (b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"text":"x"}]}]}', "messages[0].content"),
        (b"[]", None),
        (b"{", None),
        (
            b'{"model":"m","max_tokens":1,"messages":[],"tools":[{"type":"web_search_20250305","max_uses":0}]}',
            "tools[0]",
        ),
    ],
)
def test_a_request_that_makes_no_sense(body: bytes, field: str | None) -> None:
    with pytest.raises(GatewayFault) as caught:
        MESSAGES.read_request(body, NOBODY)
    assert caught.value.kind is FaultKind.INVALID_REQUEST
    assert (caught.value.field or "").startswith(field or "")


def test_content_that_is_nested_without_end_is_refused() -> None:
    content: list[dict[str, Any]] = [{"type": "text", "text": "x"}]
    for _ in range(10):
        content = [{"type": "tool_result", "tool_use_id": "t", "content": content}]
    assert refusal(messages=[{"role": "user", "content": content}]).kind is FaultKind.INVALID_REQUEST


def test_what_only_the_provider_can_read_needs_a_context_window() -> None:
    request = read(messages=block(type="document", source={"type": "file", "file_id": "f"}))
    with pytest.raises(GatewayFault, match="context window"):
        request.bounds(priced("anthropic:claude-v1").facts, exact=False)


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_text_is_bounded_by_bytes_then_by_a_tokenizer() -> None:
    text = "All the king's horses and all the king's men. " * 200
    cheap, exact = (bound(messages=block(type="text", text=text), exact=exact).text_tokens for exact in (False, True))
    assert exact < len(text) / 2 < len(text) < cheap < len(text) + 500


def test_base64_is_not_counted_as_text() -> None:
    image = {"type": "base64", "media_type": "image/png", "data": "A" * 1_000_000}
    for exact in (False, True):
        found = bound(messages=block(type="image", source=image), exact=exact)
        assert found.text_tokens < 500
        assert found.image_tokens == 1_656


@pytest.mark.parametrize("kind", ["base64", "url", "file"])
def test_a_document_counts_as_the_context_window(kind: str) -> None:
    document = {"type": "document", "source": {"type": kind, "data": "JVBERi0x", "url": "https://x.ch", "file_id": "f"}}
    in_result = block(type="tool_result", tool_use_id="t", content=[document])
    fetched = block(type="web_fetch_tool_result", content={"type": "web_fetch_result", "content": document})
    for messages in (block(**document), in_result, fetched):
        found = bound(messages=messages)
        assert (found.opaque_tokens, found.text_tokens) == (1_100_000, 0)


def test_an_image_in_a_tools_result_is_found() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://x.ch/a.png"}}
    assert bound(messages=block(type="tool_result", tool_use_id="t", content=[image, image])).image_tokens == 2 * 1_656


def test_system_and_tools_and_schemas_count() -> None:
    plain = bound().text_tokens
    assert bound(system="x" * 1000).text_tokens >= plain + 1000
    assert bound(system=[{"type": "text", "text": "x" * 1000}]).text_tokens >= plain + 1000
    schema = {"type": "object", "description": "x" * 1000}
    assert bound(tools=[{"name": "f", "input_schema": schema}]).text_tokens >= plain + 1000
    assert bound(output_config={"format": {"type": "json_schema", "schema": schema}}).text_tokens >= plain + 1000


def test_a_provider_tool_that_the_caller_runs_costs_its_definition() -> None:
    tools = [{"type": "bash_20250124", "name": "bash"}, {"type": "computer_toolset_20260801"}]
    found = bound(tools=tools)
    assert found.text_tokens > 5 * 1_536
    assert found.visible_output is False  # Only because it does not stream.
    assert bound(tools=tools, stream=True).visible_output is True


def test_web_search_is_bounded_by_its_cap_and_a_window_for_each_round() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    found = bound(tools=[tool], stream=True)
    assert (found.web_searches, found.opaque_tokens, found.visible_output) == (3, 5 * 1_100_000, False)
    request = read(tools=[tool])
    assert request.rounds == 5
    # Later versions may also be called by code that the provider runs.
    later = {"type": "web_search_20260318", "name": "web_search", "max_uses": 1}
    assert read(tools=[later]).rounds == 10
    assert read(tools=[{**later, "allowed_callers": ["direct"]}]).rounds == 3


def test_tool_search_takes_in_what_the_request_shows_each_time() -> None:
    search = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    found = bound(tools=[search], max_tokens=100)
    assert (found.opaque_tokens, found.features.cache_writes) == (0, "short")
    assert found.text_tokens >= 10 * (bound(max_tokens=100).text_tokens + 100)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, "none"),
        ({"cache_control": {"type": "ephemeral"}}, "short"),
        ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "5m"}}]}, "short"),
        ({"messages": block(type="text", text="x", cache_control={"type": "ephemeral", "ttl": "1h"})}, "long"),
        ({"messages": block(type="text", text='say "cache_control"')}, "none"),
    ],
)
def test_writing_to_the_cache_is_bounded_at_the_dearest_rate_that_applies(
    members: dict[str, Any], expected: str
) -> None:
    found = bound(**members)
    assert found.features.cache_writes == expected
    nanos = {"none": 3_000, "short": 3_750, "long": 6_000}[expected]
    assert quote(priced(SONNET), found).input_bound_nanos == nanos * found.text_tokens


def test_a_name_that_is_spelled_in_escapes_is_not_overlooked() -> None:
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": USER, "cache_control": {"ttl": "1h"}})
    hidden = body.replace("cache_control", "cache\\u005fcontrol").replace('"1h"', '"\\u0031h"')
    request = MESSAGES.read_request(hidden.encode(), NOBODY)
    assert request.bounds(priced(SONNET).facts, exact=False).features.cache_writes == "long"


@pytest.mark.parametrize(
    ("thinking", "visible", "least"),
    [
        (None, True, 0),
        ({"type": "disabled"}, True, 0),
        ({"type": "enabled", "budget_tokens": 2048}, False, 1_280),
        ({"type": "adaptive"}, False, 0),
        ({"type": "between_tools"}, False, 0),
    ],
)
def test_thinking_is_not_all_seen(thinking: Any, visible: bool, least: int) -> None:
    found = bound(stream=True, thinking=thinking)
    assert (found.visible_output, found.least_output_tokens) == (visible, least)
    wanted = quote(priced(SONNET), bound(stream=True, thinking=thinking, max_tokens=8_000))
    assert wanted.growing is visible
    assert wanted.minimum_output_tokens == max(256, least)


def test_fast_mode_is_bounded_at_its_rate() -> None:
    price = priced("anthropic:claude-opus-4-8")
    slow, fast = (quote(price, bound(price="anthropic:claude-opus-4-8", speed=speed)) for speed in (None, "fast"))
    assert fast.output_numerator > slow.output_numerator
    with pytest.raises(NotPriced, match="speed"):
        quote(priced("anthropic:claude-opus-4-7"), bound(price="anthropic:claude-opus-4-7", speed="fast"))


# --- what is written upstream ----------------------------------------------------------------------------------------

ODD = (
    b'{ "model" : "claude-sonnet-4-5","temperature": 1.00, "max_tokens":\n4096, "top_p":1E0,'
    b'"messages":[{"role":"user","content":"caf\\u00e9 \xc3\xa9"}],'
    b'"brand_new":{"deep": [1.50, 10000000000000000000001]}}'
)


def test_only_what_must_change_is_changed() -> None:
    request = MESSAGES.read_request(ODD, frozenset({"brand_new"}))
    written = MESSAGES.write_request(ODD, request, Edits(model="eu.claude", output_limit=300, ask_usage=True))
    for kept in (b"1.00", b"1E0", b"caf\\u00e9 \xc3\xa9", b'{"deep": [1.50, 10000000000000000000001]}'):
        assert kept in written
    assert json.loads(written) == {**json.loads(ODD), "model": "eu.claude", "max_tokens": 300}
    assert list(json.loads(written)) == list(json.loads(ODD))


def test_nothing_changes_where_nothing_must() -> None:
    body = b'{"model":"m","max_tokens":300,"stream":true,"messages":[{"role":"user","content":"1.0"}]}'
    request = MESSAGES.read_request(body, NOBODY)
    for edits in (Edits(), Edits(model="m", ask_usage=True), Edits(output_limit=300), Edits(output_limit=400)):
        assert MESSAGES.write_request(body, request, edits) is body


def test_a_budget_for_thinking_is_lowered_with_the_limit() -> None:
    thinking = {"type": "enabled", "budget_tokens": 10_000, "display": "omitted"}
    body = json.dumps({"model": "m", "max_tokens": 16_000, "thinking": thinking, "messages": USER}).encode()
    request = MESSAGES.read_request(body, NOBODY)

    def written(limit: int) -> Any:
        return json.loads(MESSAGES.write_request(body, request, Edits(output_limit=limit)))

    assert written(12_000)["thinking"] == thinking
    assert written(4_000)["max_tokens"] == 4_000
    assert written(4_000)["thinking"] == {**thinking, "budget_tokens": 3_744}
    assert written(1_280)["thinking"]["budget_tokens"] == 1_024


def test_headers_go_upstream_by_name_and_betas_by_value() -> None:
    given = [
        (b"x-api-key", b"bur_secret"),
        (b"authorization", b"Bearer bur_secret"),
        (b"anthropic-version", b"2023-06-01"),
        (b"anthropic-beta", b"interleaved-thinking-2025-05-14, mcp-client-2025-11-20,files-api-2025-04-14"),
        (b"anthropic-user-profile-id", b"x"),
    ]
    assert headers_upstream(MESSAGES, given) == [
        (b"anthropic-version", b"2023-06-01"),
        (b"anthropic-beta", b"interleaved-thinking-2025-05-14,files-api-2025-04-14"),
    ]
    assert headers_upstream(MESSAGES, [(b"anthropic-beta", b"mcp-client-2025-11-20")]) == [
        (b"anthropic-version", b"2023-06-01")
    ]
    assert MESSAGES.key_header("sk-ant") == (b"x-api-key", b"sk-ant")
