"""Requests of any shape, in every dialect of this folder: read or refused, never an error of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.gateway.dialects.count_tokens import COUNT_TOKENS
from bursar.gateway.dialects.embeddings import EMBEDDINGS
from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.responses import RESPONSES
from bursar.gateway.dialects.seam import Dialect, Edits, GatewayFault
from tests.pricing.samples import priced

TEXT = (
    "text image document tool_result base64 url content web_search_20250305 bash_20250124 message input_image enabled "
    "input_file reasoning web_search namespace data:image/png;base64,iVBOR user type role source data tools max_uses "
    "name input output image_url detail id budget_tokens edits environment container results result messages system "
    "thinking context_management stream instructions max_output_tokens max_tool_calls speed service_tier max_tokens "
    "previous_response_id"
)
WORDS = TEXT.split()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(WORDS) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)
CASES: dict[str, tuple[Dialect, dict[str, Any], str]] = {
    "messages": (MESSAGES, {"max_tokens": 5, "messages": []}, "anthropic:claude-haiku-4-5"),
    "count_tokens": (COUNT_TOKENS, {"messages": []}, "anthropic:claude-haiku-4-5"),
    "responses": (RESPONSES, {"input": "x"}, "openai:gpt-4.1"),
    "embeddings": (EMBEDDINGS, {"input": "x"}, "openai:text-embedding-3-small"),
}


@pytest.mark.parametrize("name", CASES)
@given(members=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6))
def test_a_request_of_any_shape_is_read_or_refused(name: str, members: dict[str, Any]) -> None:
    dialect, least, price = CASES[name]
    body = json.dumps({"model": "m", **least, **members}).encode()
    try:
        request = dialect.read_request(body, frozenset(members))
        cheap, exact = (request.bounds(priced(price).facts, exact=exact) for exact in (False, True))
    except GatewayFault:
        return
    assert exact.input_tokens <= cheap.input_tokens
    written = json.loads(dialect.write_request(body, request, Edits("renamed", 300, ask_usage=True)))
    assert written["model"] == "renamed"
    assert written.keys() - {"max_output_tokens"} <= {"model", *least, *members}
