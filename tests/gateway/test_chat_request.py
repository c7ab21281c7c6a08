"""What is read of a chat completion's request, what is refused, and what is written upstream."""

from __future__ import annotations

import base64
import json
import struct
import typing
from typing import Any

import msgspec
import pytest
from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionMessageParam,
    ChatCompletionToolUnionParam,
    completion_create_params,
)

from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS, FIELDS
from bursar.gateway.dialects.chat_content import MEDIA_PARTS, TEXT_PARTS, TOOL_TYPES
from bursar.gateway.dialects.seam import CallRequest, Edits, FaultKind, GatewayFault
from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.families import family_of
from bursar.pricing.quote import RequestBound

HELLO = [{"role": "user", "content": "hello"}]


def encode(**fields: Any) -> bytes:
    return msgspec.json.encode({"model": "gpt-4o-mini", "messages": HELLO, **fields})


def read(body: bytes, *allowed: str) -> CallRequest:
    return CHAT_COMPLETIONS.read_request(body, frozenset(allowed))


def facts(model: str = "gpt-4o-mini", window: int | None = 128_000) -> ModelFacts:
    family = family_of(model)
    return ModelFacts(model, family, window, family.max_output_tokens, family.reasoning)


def bound(*, exact: bool = False, model: str = "gpt-4o-mini", **fields: Any) -> RequestBound:
    return read(encode(**fields)).bounds(facts(model), exact=exact)


def refusal(body: bytes) -> GatewayFault:
    with pytest.raises(GatewayFault) as raised:
        read(body)
    return raised.value


# --- the table -------------------------------------------------------------------------------------------------------


def field_names(of: Any) -> set[str]:
    return set(typing.get_type_hints(of).keys())


def literals(union: Any, name: str) -> set[str]:
    """The values that a field may have in each member of a union of TypedDicts."""
    found: set[str] = set()
    for member in typing.get_args(union):
        hint = typing.get_type_hints(member)[name]
        found.update(typing.get_args(hint))
    return found


def test_every_field_of_the_official_client_is_in_the_table() -> None:
    official = field_names(completion_create_params.CompletionCreateParamsStreaming)
    official |= field_names(completion_create_params.CompletionCreateParamsNonStreaming)
    assert {"messages", "stream", "web_search_options"} <= official
    assert official - FIELDS.keys() == set()


def test_only_these_fields_are_ours_beyond_the_official_clients() -> None:
    official = field_names(completion_create_params.CompletionCreateParamsStreaming)
    assert FIELDS.keys() - official == {"min_p", "repetition_penalty", "top_k"}


def test_every_content_part_of_the_official_client_is_known() -> None:
    assert literals(ChatCompletionContentPartParam, "type") == MEDIA_PARTS | {"text"}
    assert "refusal" in TEXT_PARTS


def test_every_tool_of_the_official_client_is_known() -> None:
    assert literals(ChatCompletionToolUnionParam, "type") == TOOL_TYPES


def test_messages_of_the_official_client_refer_to_nothing_unknown() -> None:
    """A new field of a message may be a reference that only the provider can resolve: then it needs a bound."""
    known = {"content", "role", "name", "audio", "function_call", "refusal", "tool_calls", "tool_call_id"}
    for message in typing.get_args(ChatCompletionMessageParam):
        assert field_names(message) <= known


# --- refused ---------------------------------------------------------------------------------------------------------

REFUSED = {
    "an unknown field": (encode(hologram=True), FaultKind.FEATURE_NOT_PRICED, "hologram"),
    "a provider's tool": (encode(tools=[{"type": "web_search"}]), FaultKind.FEATURE_NOT_PRICED, "tools[0].web_search"),
    "video": (
        encode(messages=[{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://a"}}]}]),
        FaultKind.FEATURE_NOT_PRICED,
        "messages[0].content[].video_url",
    ),
    "a tier without a price": (encode(service_tier="ultrafast"), FaultKind.FEATURE_NOT_PRICED, "service_tier"),
    "moderation that may cost": (
        encode(moderation={"model": "x"}),
        FaultKind.FEATURE_NOT_PRICED,
        "moderation",
    ),
    "no JSON": (b"{", FaultKind.INVALID_REQUEST, None),
    "no object": (b"[]", FaultKind.INVALID_REQUEST, None),
    "no model": (b'{"messages":[]}', FaultKind.INVALID_REQUEST, "model"),
    "no messages": (b'{"model":"m"}', FaultKind.INVALID_REQUEST, "messages"),
    "messages that are none": (encode(messages="hello"), FaultKind.INVALID_REQUEST, None),
    "n that is no number": (encode(n="two"), FaultKind.INVALID_REQUEST, "n"),
    "no choice at all": (encode(n=0), FaultKind.INVALID_REQUEST, "n"),
    "a negative limit": (encode(max_tokens=-1), FaultKind.INVALID_REQUEST, "max_tokens"),
    "a part without a type": (
        encode(messages=[{"role": "user", "content": [{"text": "x"}]}]),
        FaultKind.INVALID_REQUEST,
        "messages[0].content",
    ),
    "nesting without end": (b'{"model":"m","messages":' + b"[" * 100_000, FaultKind.INVALID_REQUEST, None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    body, kind, field = REFUSED[name]
    fault = refusal(body)
    assert (fault.kind, fault.field) == (kind, field)


def test_an_operator_lets_a_field_pass_and_the_refusal_says_how() -> None:
    body = encode(hologram=True)
    assert "BURSAR_UNPRICED_FIELDS" in refusal(body).message
    assert CHAT_COMPLETIONS.write_request(body, read(body, "hologram"), Edits()) is body


# --- bounds ----------------------------------------------------------------------------------------------------------


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height) + bytes(100_000)
    return "data:image/png;base64," + base64.b64encode(head).decode()


def image(url: str, **detail: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, **detail}}]}]


def test_text_is_bounded_by_its_bytes_and_then_by_a_tokenizer() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 50
    messages = [{"role": "user", "content": text}]
    cheap, exact = bound(messages=messages).text_tokens, bound(messages=messages, exact=True).text_tokens
    assert len(text) <= cheap <= len(text) + 100
    assert 500 <= exact <= 560


def test_escapes_count_as_what_they_stand_for() -> None:
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "ä" * 400}]}).encode()
    assert b"\\u00e4" in body
    assert read(body).bounds(facts(), exact=True).text_tokens < 500


def test_images_are_bounded_by_the_rule_and_not_by_their_base64() -> None:
    of_image = bound(messages=image(png(512, 512)))
    assert of_image.text_tokens < 200
    assert 2_833 + 5_667 <= of_image.image_tokens <= 2_833 + 4 * 5_667 + 100
    assert bound(messages=image(png(512, 512), detail="low")).image_tokens < 3_000
    assert bound(messages=image("https://a.example/x.png")).image_tokens > of_image.image_tokens
    exact = bound(messages=image(png(512, 512)), exact=True)
    assert exact.image_tokens == of_image.image_tokens
    assert exact.text_tokens < 200


def test_audio_is_bounded_by_its_length() -> None:
    seconds = 3
    wave = (
        b"RIFF\0\0\0\0WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
        + b"data"
        + bytes(16_000 * seconds)
    )
    sound = {"data": base64.b64encode(wave).decode(), "format": "wav"}
    of_sound = bound(messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": sound}]}])
    assert 10 * seconds <= of_sound.audio_tokens <= 10 * (seconds + 2)
    assert of_sound.text_tokens < 200


OPAQUE = {
    "a file": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}],
    "a document": [
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AA"}}]}
    ],
    "earlier audio": [{"role": "assistant", "audio": {"id": "audio_1"}}, *HELLO],
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_only_the_provider_sees_is_bounded_by_the_context_window(name: str) -> None:
    request = read(encode(messages=OPAQUE[name]))
    assert request.bounds(facts(), exact=False).input_tokens == 128_000
    with pytest.raises(GatewayFault) as raised:
        request.bounds(facts(window=None), exact=False)
    assert raised.value.kind is FaultKind.FEATURE_NOT_PRICED
    assert "pricing.models" in raised.value.message


COSTS_INPUT: dict[str, Any] = {
    "tools": [{"type": "function", "function": {"name": "f", "description": "d" * 1000, "parameters": {}}}],
    "functions": [{"name": "f", "description": "d" * 1000}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"description": "d" * 1000}}},
    "prediction": {"type": "content", "content": "d" * 1000},
}


@pytest.mark.parametrize("name", COSTS_INPUT)
def test_what_counts_as_input_is_counted(name: str) -> None:
    plain = bound()
    assert bound(**{name: COSTS_INPUT[name]}).text_tokens >= plain.text_tokens + 1_000
    counted = bound(exact=True, **{name: COSTS_INPUT[name]}).text_tokens - bound(exact=True).text_tokens
    assert 100 <= counted < 500


def test_no_bound_is_larger_than_the_context_window() -> None:
    messages = [{"role": "user", "content": "x" * 400_000}]
    assert read(encode(messages=messages)).bounds(facts(), exact=False).text_tokens == 128_000


HIDDEN_OUTPUT: dict[str, dict[str, Any]] = {
    "audio": {"audio": {"voice": "ash", "format": "wav"}, "modalities": ["text", "audio"]},
    "thinking": {"reasoning_effort": "low"},
    "a prediction": {"prediction": {"type": "content", "content": "x"}},
    "no stream": {"stream": False},
}


@pytest.mark.parametrize("name", HIDDEN_OUTPUT)
def test_output_that_is_not_seen_as_it_streams_is_said_to_be_hidden(name: str) -> None:
    assert bound(stream=True).visible_output
    assert bound(stream=True, reasoning_effort="none").visible_output
    assert not bound(**{"stream": True, **HIDDEN_OUTPUT[name]}).visible_output


def test_limits_choices_and_searches_are_read() -> None:
    request = read(encode(max_tokens=10, max_completion_tokens=20, n=3, web_search_options={}))
    assert (request.output_limit, request.choices, request.always_used) == (20, 3, {"web_searches": 1})
    assert request.bounds(facts(), exact=False).web_searches == 1


def test_service_tier_and_cache_are_priced_at_the_dearest_that_may_apply() -> None:
    features = bound(service_tier="priority").features
    assert features.service_tiers == ("priority", "default")
    assert features.cache_writes == "short"
    assert bound(prompt_cache_retention="24h").features.cache_writes == "long"
    spelled = b'{"model":"m","messages":[{"role":"user","content":"x","prompt_cache_break\\u0070oint":{}}]}'
    assert read(spelled).bounds(facts(), exact=False).features.cache_writes == "long"
    assert not features.audio_output


# --- writing ---------------------------------------------------------------------------------------------------------

BIG = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}],"seed":123456789012345678901234567890,"temperature":0.1000000000000000055,"metadata":{"a":"\\u00e4"}%b}'  # noqa: E501


def test_a_body_that_needs_no_change_is_the_very_same() -> None:
    body = BIG % b""
    assert CHAT_COMPLETIONS.write_request(body, read(body), Edits(model="gpt-4o-mini", ask_usage=True)) is body


def test_a_change_keeps_every_other_byte() -> None:
    body = BIG % b""
    written = CHAT_COMPLETIONS.write_request(body, read(body), Edits(output_limit=7))
    assert written == BIG % b',"max_tokens":7'


def test_white_space_inside_members_is_kept() -> None:
    body = b'{"model": "gpt-4o-mini", "messages": [ {"role": "user", "content": "hi"} ]}'
    written = CHAT_COMPLETIONS.write_request(body, read(body), Edits(output_limit=7))
    assert b'[ {"role": "user", "content": "hi"} ]' in written


WRITTEN: dict[str, tuple[dict[str, Any], Edits, dict[str, Any]]] = {
    "renamed": ({}, Edits(model="my-deployment"), {"model": "my-deployment"}),
    "clamped by its own name": ({"max_tokens": 100}, Edits(output_limit=7), {"max_tokens": 7}),
    "clamped by its newer name": ({"max_completion_tokens": 100}, Edits(output_limit=7), {"max_completion_tokens": 7}),
    "both given": (
        {"max_tokens": 5, "max_completion_tokens": 100},
        Edits(output_limit=7),
        {"max_tokens": 5, "max_completion_tokens": 7},
    ),
    "a null limit": ({"max_tokens": None}, Edits(output_limit=7), {"max_tokens": 7}),
    "a reasoning model": ({"model": "gpt-5-mini"}, Edits(output_limit=7), {"max_completion_tokens": 7}),
    "usage asked for": ({"stream": True}, Edits(ask_usage=True), {"stream_options": {"include_usage": True}}),
    "usage asked for beside other options": (
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        Edits(ask_usage=True),
        {"stream_options": {"include_obfuscation": False, "include_usage": True}},
    ),
    "usage declined by the client": (
        {"stream": True, "stream_options": {"include_usage": False}},
        Edits(ask_usage=True),
        {"stream_options": {"include_usage": True}},
    ),
    "usage without a stream": ({}, Edits(ask_usage=True), {}),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_written(name: str) -> None:
    fields, edits, changed = WRITTEN[name]
    body = encode(**fields)
    written = msgspec.json.decode(CHAT_COMPLETIONS.write_request(body, read(body), edits))
    assert written == {**msgspec.json.decode(body), **changed}


@pytest.mark.parametrize(
    "body",
    [
        b'{"max_tokens":9,"model":"m","messages":[],"max_tokens":1}',
        b'{"max_tokens":9,"m\\u006fdel":"m","messages":[],"max\\u005ftokens":1}',
    ],
)
def test_an_upstream_reads_the_request_that_we_have_read(body: bytes) -> None:
    """A name given twice could be read as the first or the last: what is sent says it once."""
    request = read(body)
    assert request.output_limit == 1
    written = CHAT_COMPLETIONS.write_request(body, request, Edits())
    assert written == b'{"max_tokens":1,"model":"m","messages":[]}'
