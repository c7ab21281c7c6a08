"""Responses: usage, output and errors out of bodies and events, and how ours look."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.gateway.dialects.chat_answers import TOOL_CALL_TOKENS
from bursar.gateway.dialects.responses import RESPONSES
from bursar.gateway.dialects.seam import NOTHING_READ, FaultKind, GatewayFault, Reading
from bursar.gateway.sse import SseEvent
from bursar.ledger.model import Reason
from tests.billing.facts import REQUEST_ID
from tests.gateway.dialects.transcripts import real_refusal


def event(**data: Any) -> Reading:
    raw = json.dumps(data).encode()
    return RESPONSES.read_event(SseEvent(raw, raw, b""))


def usage(usage: Any, output: Any = (), **more: Any) -> dict[str, Any]:
    report = event(type="response.completed", response={"usage": usage, "output": list(output), **more}).report
    assert report.usage is not None, report.absurd
    assert report == RESPONSES.read_body(json.dumps({"usage": usage, "output": list(output), **more}).encode()).report
    return report.usage.counts()


# --- usage -----------------------------------------------------------------------------------------------------------


def test_usage_and_its_parts() -> None:
    details = {
        "cached_tokens": 20,
        "cache_write_tokens": 30,
        "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 10},
    }
    told = {
        "input_tokens": 100,
        "input_tokens_details": details,
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 40},
        "total_tokens": 150,
    }
    assert usage(told, service_tier="flex") == {
        "input_tokens": 100,
        "cached_input_tokens": 20,
        "cache_write_tokens": 30,
        "cache_write_1h_tokens": 10,
        "output_tokens": 50,
        "reasoning_tokens": 40,
        "service_tier": "flex",
    }
    assert usage({"input_tokens": 3, "output_tokens": None}) == {"input_tokens": 3}


def test_calls_that_are_charged_are_counted_in_the_output() -> None:
    output = [
        {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "web_search_call", "action": {"type": "find_in_page"}},
        {"type": "web_search_call"},
        {"type": "web_search_call", "action": {"type": ["new"]}},
        {"type": "file_search_call"},
        {"type": "code_interpreter_call"},
        {"type": "message", "content": []},
    ]
    found = usage({"input_tokens": 3, "output_tokens": 1}, output)
    assert (found["web_searches"], found["file_searches"], found["code_executions"]) == (2, 1, 1)


@pytest.mark.parametrize(
    "told", [{"input_tokens": -1, "output_tokens": 1}, {"output_tokens": 1}, [], {"input_tokens": ""}]
)
def test_a_usage_that_makes_no_sense_is_said_to(told: Any) -> None:
    assert event(type="response.completed", response={"usage": told}).report.absurd
    assert RESPONSES.read_body(json.dumps({"usage": told}).encode()).report.absurd


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
def test_the_last_event_carries_the_usage(kind: str) -> None:
    reading = event(type=kind, response={"usage": {"input_tokens": 3, "output_tokens": 1}, "output": [{"type": "x"}]})
    assert reading.report.usage is not None
    assert reading.is_end
    assert reading.produced.text == ""
    assert reading.is_error is (kind == "response.failed")


def test_no_usage_yet() -> None:
    assert event(type="response.in_progress", response={"usage": None}) is NOTHING_READ
    created = event(type="response.created", response={"usage": None, "id": "resp_1"})
    assert created == NOTHING_READ
    assert created is not NOTHING_READ  # It is the event that the stop is made from.


# --- output ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text", "extra"),
    [
        ({"type": "response.output_text.delta", "delta": "a", "obfuscation": "zzz"}, "a", 0),
        ({"type": "response.refusal.delta", "delta": "no"}, "no", 0),
        ({"type": "response.function_call_arguments.delta", "delta": "{"}, "{", 0),
        ({"type": "response.custom_tool_call_input.delta", "delta": "x"}, "x", 0),
        ({"type": "response.reasoning_text.delta", "delta": "hm"}, "hm", 0),
        ({"type": "response.reasoning_summary_text.delta", "delta": "hm"}, "hm", 0),
        ({"type": "response.brand_new.delta", "delta": "x"}, "x", 0),
        ({"type": "response.output_text.done", "text": "a"}, "", 0),
        ({"type": "response.audio.delta", "delta": "UklGR"}, "", 0),
        ({"type": "response.output_item.done", "item": {"type": "function_call", "name": "f"}}, "", 0),
        ({"type": "response.output_item.added", "item": {"type": "message"}}, "", 0),
        ({"type": "response.output_item.added", "item": {"type": "function_call", "name": "f"}}, "f", TOOL_CALL_TOKENS),
        ({"type": "response.output_item.added", "item": {"type": "web_search_call"}}, "", TOOL_CALL_TOKENS),
    ],
)
def test_output_is_read_once(data: dict[str, Any], text: str, extra: int) -> None:
    assert event(**data).produced == (text, extra)


def test_output_of_a_body() -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm "}], "encrypted_content": "gAAA"},
        {"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": [{"url": "u"}]}]},
        {"type": "message", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "id": "fc", "name": "f", "arguments": "{}"},
    ]
    assert RESPONSES.read_body(json.dumps({"output": output}).encode()).produced == ("hm ano{}f", TOOL_CALL_TOKENS)
    assert RESPONSES.read_body(b"not JSON").produced.text == "not JSON"


# --- errors ----------------------------------------------------------------------------------------------------------


def failed(data: bytes) -> dict[str, Any]:
    name, line, end = data.split(b"\n", 2)
    assert (name, end) == (b"event: response.failed", b"\n")
    found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return found


FIRST = b'{"type":"response.created","sequence_number":0,"response":{"id":"resp_7","model":"m","status":"in_progress"}}'
LAST = b'{"type":"response.output_text.delta","sequence_number":41,"delta":"x"}'


def test_a_stop_is_the_streams_own_response_failed() -> None:
    found = failed(RESPONSES.stop_events(real_refusal(), FIRST, LAST))
    assert (found["type"], found["sequence_number"]) == ("response.failed", 42)
    response = found["response"]
    assert (response["id"], response["status"], response["model"]) == ("resp_7", "failed", "m")
    assert response["error"]["code"] == response["error"]["type"] == "insufficient_quota"
    assert response["error"]["billing"]["requestId"] == REQUEST_ID
    held = failed(RESPONSES.stop_events(real_refusal(Reason.FUNDS_HELD), FIRST, LAST))
    assert held["response"]["error"]["code"] == "funds_held"


@pytest.mark.parametrize("first", [b"", b"{}", b"[]", b"{", b'{"response":1}', b'{"response":{}}'])
def test_a_stop_of_a_stream_that_has_not_begun(first: bytes) -> None:
    found = failed(RESPONSES.stop_events(real_refusal(), first))
    assert found["sequence_number"] == 0
    assert found["response"]["object"] == "response"
    assert found["response"]["output"] == []


def test_an_upstream_that_broke_off_is_told_in_the_stream() -> None:
    fault = GatewayFault(FaultKind.UPSTREAM_UNAVAILABLE, "It broke off.")
    error = failed(RESPONSES.fault_events(fault, "r-1", FIRST, LAST))["response"]["error"]
    assert (error["code"], error["message"], error["request_id"]) == ("upstream_unavailable", "It broke off.", "r-1")
    assert "billing" not in error


@pytest.mark.parametrize(
    ("status", "body", "about_us", "code"),
    [
        (429, {"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}, True, "insufficient_quota"),
        (
            200,
            {"type": "response.failed", "response": {"error": {"code": "insufficient_quota"}}},
            True,
            "insufficient_quota",
        ),
        (200, {"type": "response.failed", "response": {"error": {"code": "server_error"}}}, False, "server_error"),
        (200, {"type": "error", "code": "billing_hard_limit_reached"}, True, "billing_hard_limit_reached"),
        (200, {"type": "error", "code": "server_error", "message": "x"}, False, "server_error"),
        (400, {"error": {"type": "invalid_request_error", "code": None}}, False, "invalid_request_error"),
    ],
)
def test_what_an_upstreams_error_means(status: int, body: Any, about_us: bool, code: str) -> None:
    found = RESPONSES.read_error(status, json.dumps(body).encode())
    assert (found.about_our_account, found.code, found.in_shape) == (about_us, code, True)


def test_an_error_in_another_shape() -> None:
    assert not RESPONSES.read_error(500, b"<html>").in_shape
    assert RESPONSES.read_error(403, b"").about_our_account


def test_a_body_that_failed() -> None:
    assert RESPONSES.read_body(b'{"status":"failed","error":{"code":"server_error"},"output":[]}').is_error
    assert RESPONSES.read_body(b'{"error":{"message":"x"}}').is_error
    assert not RESPONSES.read_body(b'{"status":"completed","error":null,"output":[]}').is_error
