"""What is read of a chat completion's answers, and what refusals, stops and errors look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.billing.problem import HttpRefusal
from bursar.gateway.dialects.chat_answers import TOOL_CALL_TOKENS
from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS as CHAT
from bursar.gateway.dialects.seam import NO_USAGE, FaultKind, GatewayFault, Reading
from bursar.gateway.sse import SseEvent, SseSplitter
from bursar.pricing.model import Usage

GOLDEN = Path(__file__).parent / "golden"


def readings(name: str) -> list[Reading]:
    splitter = SseSplitter()
    events = splitter.feed((GOLDEN / name).read_bytes()) + splitter.finish()
    return [CHAT.read_event(event) for event in events]


def event(data: bytes) -> Reading:
    return CHAT.read_event(SseEvent(b"", data, b""))


def body(**fields: Any) -> Reading:
    return CHAT.read_body(msgspec.json.encode(fields))


def usage_of(**usage: Any) -> Usage | None:
    return body(usage=usage).report.usage


# --- golden transcripts ----------------------------------------------------------------------------------------------


def test_a_stream() -> None:
    found = readings("chat_plain.sse")
    assert [reading.produced.text for reading in found] == ["", "Hello", " there", "", "", ""]
    assert [reading.only_usage for reading in found] == [False] * 4 + [True, False]
    assert found[4].report.usage == Usage(
        input_tokens=9, cached_input_tokens=4, output_tokens=3, service_tier="default"
    )
    assert found[-1].is_end


def test_a_tool_call_in_a_stream() -> None:
    found = readings("chat_tool_call.sse")
    assert "".join(reading.produced.text for reading in found) == 'weather{"city":"Bern"}'
    assert sum(reading.produced.extra_tokens for reading in found) == TOOL_CALL_TOKENS


def test_another_vendors_stream_with_comments_and_thinking() -> None:
    found = readings("chat_other_vendor.sse")
    assert "".join(reading.produced.text for reading in found) == "Hm.Hi"
    (usage,) = [reading.report.usage for reading in found if reading.report.usage]
    # Its reasoning is reported beside the completion's tokens, as the total shows.
    assert (usage.output_tokens, usage.reasoning_tokens) == (12, 10)
    assert not any(reading.only_usage for reading in found)


def test_a_body() -> None:
    reading = CHAT.read_body((GOLDEN / "chat_plain.json").read_bytes())
    assert reading.produced.text == "Hello there"
    assert reading.report.usage == Usage(
        input_tokens=1117, cached_input_tokens=1024, output_tokens=3, service_tier="priority"
    )


# --- usage -----------------------------------------------------------------------------------------------------------


def test_cached_images_are_images_and_cached() -> None:
    details = {"cached_tokens": 500, "image_tokens": 900}
    usage = usage_of(prompt_tokens=1000, completion_tokens=1, prompt_tokens_details=details)
    assert usage is not None
    assert (usage.cached_input_tokens, usage.input_image_tokens, usage.cached_image_tokens) == (500, 900, 400)


def test_deepseeks_name_for_cached_tokens() -> None:
    usage = usage_of(prompt_tokens=10, completion_tokens=1, prompt_cache_hit_tokens=8)
    assert usage is not None
    assert usage.cached_input_tokens == 8


ABSURD = {
    "negative": {"prompt_tokens": -1, "completion_tokens": 1},
    "more cached than there was": {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 9},
    },
    "no numbers": {"prompt_tokens": "many", "completion_tokens": 1},
    "no input": {"completion_tokens": 1},
    "not even an object": 7,
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_usage_is_reported_as_such(name: str) -> None:
    report = body(usage=ABSURD[name]).report
    assert report.usage is None
    assert report.absurd


def test_no_usage_is_no_report() -> None:
    assert body(usage=None).report == body().report
    assert body().report.absurd is None


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(data: bytes) -> None:
    event(data)
    CHAT.read_body(data)
    CHAT.read_error(400, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "usage", "delta", "message", "content", "tool_calls", "function", "error", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=50)
@given(JSON)
def test_any_json_can_be_read(value: Any) -> None:
    data = msgspec.json.encode(value)
    event(data)
    CHAT.read_error(200, data)


def test_an_answer_in_an_unknown_shape_still_shows_its_text() -> None:
    assert event(b'{"choices":[{"delta":{"content":"a","tool_calls":7}}]}').produced.text == "a"
    assert event(b'{"choices":[{"delta":{"content":[{"type":"text","text":"abc"}]}}]}').produced.text == "abc"


def test_thinking_that_is_sent_under_two_names_counts_once() -> None:
    reading = event(b'{"choices":[{"delta":{"reasoning":"why","reasoning_content":"why"}}]}')
    assert reading.produced.text == "why"


# --- errors in -------------------------------------------------------------------------------------------------------

OUR_ACCOUNT = {
    "an empty account": (429, {"code": "insufficient_quota", "type": "insufficient_quota"}),
    "a spending limit": (429, {"code": None, "type": "organization_spend_limit_exceeded"}),
    "a bill": (400, {"code": "billing_hard_limit_reached"}),
    "our key": (401, {"code": "invalid_api_key"}),
    "payment": (402, {"message": "more credits, please"}),
    "in a stream": (200, {"code": "insufficient_quota"}),
}
THEIR_REQUEST = {
    "too fast": (429, {"code": "rate_limit_exceeded", "type": "requests"}),
    "a bad request": (400, {"type": "invalid_request_error", "code": "context_length_exceeded"}),
    "broken": (500, {"type": "server_error"}),
}


@pytest.mark.parametrize(("name", "about_us"), [(n, True) for n in OUR_ACCOUNT] + [(n, False) for n in THEIR_REQUEST])
def test_complaints_about_our_account_are_told_from_errors(name: str, about_us: bool) -> None:
    status, error = (OUR_ACCOUNT | THEIR_REQUEST)[name]
    found = CHAT.read_error(status, msgspec.json.encode({"error": error}))
    assert found.about_our_account is about_us
    assert found.in_shape


def test_an_error_in_another_shape_is_told_from_ours() -> None:
    assert not CHAT.read_error(502, b"<html>Bad Gateway</html>").in_shape
    assert not CHAT.read_error(422, b'{"detail":"nope"}').in_shape
    assert CHAT.read_error(401, b"").about_our_account


# --- errors out ------------------------------------------------------------------------------------------------------

BILLING = {"code": "INSUFFICIENT_BALANCE", "reason": "BALANCE_EXHAUSTED"}
REFUSAL = HttpRefusal(
    402, "insufficient_balance", "The pool is empty.", {"x-request-id": "r-1", "x-should-retry": "false"}, BILLING
)
HELD = HttpRefusal(429, "funds_held", "In use.", {"x-request-id": "r-1", "retry-after": "2"}, BILLING)


def test_the_402_of_the_contract() -> None:
    answer = CHAT.refusal(REFUSAL)
    assert answer.status == 402
    assert dict(answer.headers) == {
        b"content-type": b"application/json",
        b"x-request-id": b"r-1",
        b"x-should-retry": b"false",
    }
    assert msgspec.json.decode(answer.body) == {
        "error": {
            "message": "The pool is empty.",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
            "billing": BILLING,
        }
    }


def test_held_funds_are_a_429() -> None:
    answer = CHAT.refusal(HELD)
    assert answer.status == 429
    assert dict(answer.headers)[b"retry-after"] == b"2"
    error = msgspec.json.decode(answer.body)["error"]
    assert (error["code"], error["billing"]) == ("funds_held", BILLING)


def test_the_stop_of_a_stream_is_a_whole_chunk_with_an_error_and_then_the_end() -> None:
    first = b'{"id":"chatcmpl-A1","object":"chat.completion.chunk","created":1790000000,"model":"m","choices":[]}'
    splitter = SseSplitter()
    chunk, done = splitter.feed(CHAT.stop_events(REFUSAL, first))
    assert done.data == b"[DONE]"
    assert msgspec.json.decode(chunk.data) == {
        "id": "chatcmpl-A1",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "error"}],
        "error": msgspec.json.decode(CHAT.refusal(REFUSAL).body)["error"],
    }


@pytest.mark.parametrize("first", [b"", b"[DONE]", b"\xff", b'{"id":7}'])
def test_a_stream_can_be_stopped_before_it_made_sense(first: bytes) -> None:
    (chunk, _) = SseSplitter().feed(CHAT.stop_events(REFUSAL, first))
    assert msgspec.json.decode(chunk.data)["choices"][0]["finish_reason"] == "error"


FAULTS = {
    FaultKind.UNKNOWN_KEY: (401, "invalid_request_error", "invalid_api_key"),
    FaultKind.FORBIDDEN: (403, "permission_error", "forbidden"),
    FaultKind.UNKNOWN_MODEL: (404, "invalid_request_error", "model_not_found"),
    FaultKind.MODEL_NOT_PRICED: (400, "invalid_request_error", "model_not_priced"),
    FaultKind.FEATURE_NOT_PRICED: (400, "invalid_request_error", "feature_not_priced"),
    FaultKind.BODY_TOO_LARGE: (413, "invalid_request_error", "request_too_large"),
    FaultKind.RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    FaultKind.LEDGER_UNAVAILABLE: (503, "server_error", "ledger_unavailable"),
    FaultKind.UPSTREAM_UNAVAILABLE: (503, "server_error", "upstream_unavailable"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_every_other_error_in_the_shape_of_the_api(kind: FaultKind) -> None:
    fault = GatewayFault(kind, "No.", field="model", retry_after_seconds=3, retry=False)
    answer = CHAT.fault(fault, "r-1")
    status, error_type, code = FAULTS[kind]
    assert answer.status == status
    assert msgspec.json.decode(answer.body) == {
        "error": {"message": "No.", "type": error_type, "param": "model", "code": code}
    }
    headers = dict(answer.headers)
    assert headers[b"x-request-id"] == b"r-1"
    assert headers[b"retry-after"] == b"3"
    assert headers[b"x-should-retry"] == b"false"


# --- what need not be read -------------------------------------------------------------------------------------------

TO_BE_READ = {
    "usage": b'{"choices":[],"usage":{"prompt_tokens":1}}',
    "usage beside null": b'{"choices":[{"usage":null}],"usage":{"prompt_tokens":1}}',
    "usage with a space": b'{"choices":[],"usage": {"prompt_tokens":1}}',
    "an error": b'{"choices":[],"error":{"message":"x"}}',
    "the end": b"[DONE]",
    "nothing": b"",
    "a second line": b'{"choices":[]}\ndata: ',
}


@pytest.mark.parametrize("name", TO_BE_READ)
def test_what_says_more_than_output_is_always_read(name: str) -> None:
    assert CHAT.skim(b"data: %b\n\n" % TO_BE_READ[name]) == 0


@given(st.text())
def test_whatever_is_skimmed_has_nothing_to_tell_and_no_more_tokens_than_bytes(text: str) -> None:
    delta = {"content": text, "tool_calls": [{"function": {"name": "f", "arguments": '"error" "usage":{'}}]}
    for data in (
        msgspec.json.encode({"choices": [{"delta": {"content": text}}], "usage": None}),
        msgspec.json.encode({"choices": [{"delta": delta}]}),
    ):
        block = b"data: %b\n\n" % data
        assert CHAT.skim(block) == len(block)
        reading = event(data)
        assert not reading.is_error
        assert not reading.is_end
        assert not reading.only_usage
        assert reading.report is NO_USAGE
        assert len(reading.produced.text.encode()) + reading.produced.extra_tokens <= len(data)
