"""Responses: what a request may cost at most, what is refused, what is written upstream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.gateway.dialects.responses import RESPONSES
from bursar.gateway.dialects.seam import CallRequest, Edits, FaultKind, GatewayFault
from bursar.pricing.model import NotPriced
from bursar.pricing.quote import RequestBound, quote
from tests.pricing.samples import priced

NOBODY: frozenset[str] = frozenset()
GPT = "openai:gpt-4.1"
MINI = "openai:gpt-5-mini"
SEARCH = {"type": "web_search"}


def read(allowed: frozenset[str] = NOBODY, **members: Any) -> CallRequest:
    return RESPONSES.read_request(json.dumps({"model": "gpt-4.1", "input": "hi", **members}).encode(), allowed)


def bound(*, exact: bool = False, price: str = GPT, allowed: frozenset[str] = NOBODY, **members: Any) -> RequestBound:
    return read(allowed, **members).bounds(priced(price).facts, exact=exact)


def refusal(allowed: frozenset[str] = NOBODY, **members: Any) -> GatewayFault:
    with pytest.raises(GatewayFault) as caught:
        read(allowed, **members).bounds(priced(GPT).facts, exact=False)
    return caught.value


def parts(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


# --- what is refused -------------------------------------------------------------------------------------------------

REFUSED: dict[str, Any] = {
    "background": True,
    "background_options": {"completion_window": "8h"},
    "conversation": "conv_1",
    "context_management": [{"type": "compaction"}],
    "prompt": {"id": "pmpt_1"},
    "multi_agent": {"enabled": True},
    "service_tier": "ultrafast",
    "moderation": {"model": "gpt-9-moderation"},
    "reasoning": {"mode": "pro"},
    "brand_new": 1,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_field_without_a_bound_is_refused_unless_an_operator_lets_it_pass(name: str) -> None:
    fault = refusal(NOBODY, **{name: REFUSED[name]})
    assert (fault.kind, fault.field) == (FaultKind.FEATURE_NOT_PRICED, name)
    assert "BURSAR_UNPRICED_FIELDS" in fault.message
    assert read(frozenset({name}), **{name: REFUSED[name]}).model == "gpt-4.1"


@pytest.mark.parametrize("name", ["background", "conversation", "prompt", "context_management"])
def test_a_field_that_is_null_asks_for_nothing(name: str) -> None:
    nothing: dict[str, Any] = {name: None}
    assert bound(**nothing).opaque_tokens == 0
    assert read(background=False).model == "gpt-4.1"


def test_a_template_that_an_operator_lets_pass_counts_as_the_context_window() -> None:
    allowed = frozenset({"prompt", "conversation"})
    assert bound(allowed=allowed, prompt={"id": "pmpt_1"}).opaque_tokens == 1_100_000
    assert bound(allowed=allowed, conversation="conv_1").opaque_tokens == 1_100_000


TOOLS_REFUSED: list[dict[str, Any]] = [
    {"type": "web_search"},
    {"type": "file_search", "vector_store_ids": ["vs_1"]},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "tool_search"},
    {"type": "web_search_preview", "max_tool_calls": 1},
    {"type": "mcp", "server_label": "x", "server_url": "https://mcp.example.ch", "max_tool_calls": 1},
    {"type": "image_generation", "max_tool_calls": 1},
    {"type": "programmatic_tool_calling", "max_tool_calls": 1},
    {"type": "shell", "environment": {"type": "container_auto"}, "max_tool_calls": 1},
    {"type": "shell"},
    {"type": "brand_new", "max_tool_calls": 1},
]


@pytest.mark.parametrize("tool", TOOLS_REFUSED, ids=lambda tool: tool["type"])
def test_a_tool_of_the_provider_without_a_cap_or_a_price_is_refused(tool: dict[str, Any]) -> None:
    cap = {"max_tool_calls": tool["max_tool_calls"]} if "max_tool_calls" in tool else {}
    fault = refusal(NOBODY, tools=[{"type": "function", "name": "f"}, tool], **cap)
    assert (fault.kind, fault.field) == (FaultKind.FEATURE_NOT_PRICED, f"tools[1].{tool['type']}")


def test_tools_that_hide_in_the_input_or_in_a_namespace_are_found() -> None:
    hidden = [{"type": "additional_tools", "role": "developer", "tools": [SEARCH]}]
    assert refusal(input=hidden).field == "input[0].tools[0].web_search"
    found = [{"type": "tool_search_output", "tools": [{"type": "mcp", "server_label": "x"}]}]
    assert refusal(input=found, max_tool_calls=1).field == "input[0].tools[0].mcp"
    inside = {"type": "namespace", "name": "n", "description": "d", "tools": [{"type": "function"}, SEARCH]}
    assert refusal(tools=[inside], max_tool_calls=1).field == "tools[0].namespace.tools[1].web_search"


def test_a_code_interpreter_is_bounded_only_where_it_has_a_price() -> None:
    tool = {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "64g"}}
    assert refusal(tools=[tool], max_tool_calls=2).field == "tools[0].code_interpreter.memory_limit"
    found = bound(tools=[{**tool, "container": {"type": "auto"}}], max_tool_calls=2)
    assert found.code_executions == 2
    with pytest.raises(NotPriced):
        quote(priced(GPT), found)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"input": [{"type": "compaction_trigger"}]}, "input[0].compaction_trigger"),
        ({"input": [{"type": "brand_new"}]}, "input[0].brand_new"),
        ({"input": parts({"type": "input_video"})}, "input[0].content[].input_video"),
        ({"input": [{"type": "function_call_output", "output": [{"type": "new"}]}]}, "input[0].output[].new"),
    ],
)
def test_content_without_a_bound_is_refused(members: dict[str, Any], field: str) -> None:
    fault = refusal(NOBODY, **members)
    assert (fault.kind, fault.field) == (FaultKind.FEATURE_NOT_PRICED, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"input":"x"}', "model"),
        (b'{"model":"m","input":"x","max_output_tokens":"1"}', "max_output_tokens"),
        (b'{"model":"m","input":"x","max_output_tokens":0}', "max_output_tokens"),
        (b'{"model":"m","input":"x","max_tool_calls":0}', "max_tool_calls"),
        (b'{"model":"m","input":[1]}', None),
        (b'{"model":"m","input":[{"role":"user","content":[{"text":"x"}]}]}', "input[0].content"),
        (b"[]", None),
        (b"{", None),
    ],
)
def test_a_request_that_makes_no_sense(body: bytes, field: str | None) -> None:
    with pytest.raises(GatewayFault) as caught:
        RESPONSES.read_request(body, NOBODY)
    assert caught.value.kind is FaultKind.INVALID_REQUEST
    assert (caught.value.field or "").startswith(field or "")


def test_what_only_the_provider_can_read_needs_a_context_window() -> None:
    with pytest.raises(GatewayFault, match="context window"):
        bound(price="openai:gpt-4.5-preview", previous_response_id="resp_1")


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_text_is_bounded_by_bytes_then_by_a_tokenizer() -> None:
    text = "All the king's horses and all the king's men. " * 200
    for given in (text, parts({"type": "input_text", "text": text})):
        cheap, exact = (bound(input=given, exact=exact).text_tokens for exact in (False, True))
        assert exact < len(text) / 3 < len(text) < cheap < len(text) + 500


def test_instructions_tools_and_schemas_count() -> None:
    plain = bound().text_tokens
    schema = {"type": "object", "description": "x" * 1000}
    for members in (
        {"instructions": "x" * 1000},
        {"tools": [{"type": "function", "name": "f", "parameters": schema}]},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "x" * 1000}]},
        {"input": [{"type": "additional_tools", "tools": [{"type": "function", "name": "f", "parameters": schema}]}]},
    ):
        assert bound(**members).text_tokens >= plain + 1000


def test_base64_is_not_counted_as_text() -> None:
    url = "data:image/png;base64," + "A" * 1_000_000
    image = {"type": "input_image", "image_url": url, "detail": "low"}
    made = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "A" * 1_000_000}
    for exact in (False, True):
        for given in (parts(image), [made], [{"type": "function_call_output", "output": [image]}]):
            found = bound(input=given, exact=exact)
            assert found.text_tokens < 500
            assert 0 < found.image_tokens < 5_000


def test_images_are_bounded_by_their_detail() -> None:
    image = {"type": "input_image", "image_url": "https://example.ch/a.png"}
    low, high = (bound(input=parts({**image, "detail": d})).image_tokens for d in ("low", "high"))
    assert 0 < low < high
    shot = {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "https://x.ch"}}
    assert bound(input=[shot]).image_tokens == bound(input=parts(image)).image_tokens


OPAQUE: dict[str, dict[str, Any]] = {
    "previous_response_id": {"previous_response_id": "resp_1"},
    "a reference": {"input": [{"type": "item_reference", "id": "msg_1"}]},
    "a reference without a type": {"input": [{"id": "msg_1"}]},
    "reasoning that is kept": {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]},
    "what a search has found": {"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]},
    "what files have said": {"input": [{"type": "file_search_call", "id": "fs_1", "queries": []}]},
    "a file's id": {"input": parts({"type": "input_file", "file_id": "file_1"})},
    "a file's URL": {"input": parts({"type": "input_file", "file_url": "https://example.ch/a.pdf"})},
    "a file": {"input": parts({"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0x"})},
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_only_the_provider_can_see_counts_as_the_context_window(name: str) -> None:
    found = bound(**OPAQUE[name])
    assert (found.opaque_tokens, found.text_tokens) == (1_100_000, 0)


def test_what_is_there_counts_as_itself() -> None:
    encrypted = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA" * 100}
    results = {"type": "file_search_call", "id": "fs_1", "queries": [], "results": [{"text": "x" * 100}]}
    for item in (encrypted, results, {"type": "compaction", "encrypted_content": "gAAA" * 100}):
        found = bound(input=[item])
        assert found.opaque_tokens == 0
        assert found.text_tokens > 100


def test_tools_of_the_provider_are_bounded_by_their_cap_and_a_window_for_each_round() -> None:
    tools = [SEARCH, {"type": "file_search", "vector_store_ids": ["vs_1"]}]
    found = bound(price=MINI, tools=tools, max_tool_calls=3, stream=True)
    assert (found.web_searches, found.file_searches, found.visible_output) == (3, 3, False)
    assert found.opaque_tokens == 5 * 440_000
    assert read(tools=tools, max_tool_calls=3).rounds == 5
    assert quote(priced(MINI), found).input_bound_nanos > 0


def test_searching_for_tools_takes_in_what_the_request_shows_each_time() -> None:
    found = bound(tools=[{"type": "tool_search"}], max_tool_calls=1, max_output_tokens=100)
    assert found.opaque_tokens == 0
    assert found.text_tokens >= 3 * (bound().text_tokens + 100)
    assert bound(tools=[{"type": "tool_search", "execution": "client"}]).text_tokens < 3_000
    # Without a limit to the output there is only the window.
    assert bound(tools=[{"type": "tool_search"}], max_tool_calls=1).opaque_tokens == 3 * 1_100_000


@pytest.mark.parametrize(
    ("members", "visible"),
    [
        ({}, True),
        ({"reasoning": {"effort": "none"}}, True),
        ({"reasoning": {"summary": "auto"}}, True),
        ({"reasoning": {"effort": "low"}}, False),
        ({"stream": False}, False),
        ({"input": [{"type": "configuration_update", "reasoning": {"effort": "high"}}]}, False),
        ({"tools": [SEARCH], "max_tool_calls": 1}, False),
        ({"tools": [{"type": "local_shell"}, {"type": "shell", "environment": {"type": "local"}}]}, True),
    ],
)
def test_whether_all_output_will_be_seen(members: dict[str, Any], visible: bool) -> None:
    assert bound(**{"stream": True, **members}).visible_output is visible


def test_a_model_that_may_think_by_itself_does_not_grow() -> None:
    assert quote(priced(GPT), bound(stream=True)).growing
    assert not quote(priced(MINI), bound(price=MINI, stream=True)).growing


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, "short"),
        ({"prompt_cache_options": {"ttl": "12h"}}, "long"),
        ({"prompt_cache_retention": "24h"}, "long"),
        ({"input": parts({"type": "input_text", "text": "x", "prompt_cache_breakpoint": {}})}, "long"),
    ],
)
def test_writing_to_the_cache_is_bounded_at_the_dearest_rate(members: dict[str, Any], expected: str) -> None:
    assert bound(**members).features.cache_writes == expected


def test_a_service_tier_is_bounded_at_its_rate() -> None:
    plain, fast = (quote(priced(GPT), bound(service_tier=tier)) for tier in (None, "priority"))
    assert fast.output_numerator > plain.output_numerator


# --- what is written upstream ----------------------------------------------------------------------------------------

ODD = (
    b'{ "model" : "gpt-4.1","temperature": 1.00, "max_output_tokens":\n4096, "top_p":1E0,'
    b'"input":"caf\\u00e9 \xc3\xa9","brand_new":{"deep": [1.50, 10000000000000000000001]}}'
)


def test_only_what_must_change_is_changed() -> None:
    request = RESPONSES.read_request(ODD, frozenset({"brand_new"}))
    written = RESPONSES.write_request(ODD, request, Edits(model="deployment", output_limit=300, ask_usage=True))
    for kept in (b"1.00", b"1E0", b"caf\\u00e9 \xc3\xa9", b'{"deep": [1.50, 10000000000000000000001]}'):
        assert kept in written
    assert json.loads(written) == {**json.loads(ODD), "model": "deployment", "max_output_tokens": 300}


def test_a_limit_is_written_where_there_was_none() -> None:
    for body in (b'{"model":"m","input":"x"}', b'{"model":"m","input":"x","max_output_tokens":null}'):
        request = RESPONSES.read_request(body, NOBODY)
        written = json.loads(RESPONSES.write_request(body, request, Edits(output_limit=300)))
        assert written == {"model": "m", "input": "x", "max_output_tokens": 300}


def test_nothing_changes_where_nothing_must() -> None:
    body = b'{"model":"m","input":"1.0","max_output_tokens":300,"stream":true}'
    request = RESPONSES.read_request(body, NOBODY)
    for edits in (Edits(), Edits(model="m", ask_usage=True), Edits(output_limit=300), Edits(output_limit=400)):
        assert RESPONSES.write_request(body, request, edits) is body
