"""What the messages and tools of a chat completion carry, and its bounds in tokens. Pure.

Text is bounded by the bytes of its JSON first, which are never fewer than its tokens; images and audio by the
providers' rules; what only the provider can see (uploaded files, documents, earlier audio) by the context window.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from bursar.gateway.dialects.members import ABSENT, first_byte, is_given
from bursar.gateway.dialects.seam import feature_not_priced, invalid
from bursar.pricing.bounds import (
    audio_token_bound,
    cheap_text_bound,
    exact_text_bound,
    image_token_bound,
    inline_image_size,
    opaque_reference_tokens,
    overhead_tokens,
)
from bursar.pricing.catalogue import ModelFacts

TOOL_TYPES: Final = frozenset({"function", "custom"})
"""Tools that the caller runs. One that the provider runs may cost money for each call."""

TEXT_PARTS: Final = frozenset({"text", "refusal", "thinking", "reasoning"})
"""Content parts that are text. The last two are what other vendors' answers bring and clients send back."""

MEDIA_PARTS: Final = frozenset({"image_url", "input_audio", "file"})


class _ImageUrl(msgspec.Struct):
    url: str = ""
    detail: str | None = None


class _InputAudio(msgspec.Struct):
    data: str = ""
    format: str = ""


class _Part(msgspec.Struct):
    type: str = ""
    image_url: _ImageUrl | str | None = None
    input_audio: _InputAudio | None = None
    file: msgspec.Raw = ABSENT


class _Message(msgspec.Struct):
    content: msgspec.Raw = ABSENT
    audio: msgspec.Raw = ABSENT
    tool_calls: list[msgspec.Raw] | None = None


class _Tool(msgspec.Struct):
    type: str = ""


_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_PARTS: Final = msgspec.json.Decoder(list[_Part])
_TOOLS: Final = msgspec.json.Decoder(list[_Tool])


class Content(NamedTuple):
    """What is in the messages and tools. `media_bytes` is how much of the messages' JSON is base64 or a URL."""

    messages: msgspec.Raw
    tools: msgspec.Raw
    message_count: int
    part_count: int
    tool_count: int
    images: tuple[_ImageUrl, ...]
    sounds: tuple[_InputAudio, ...]
    opaque: tuple[str, ...]
    """Where something stands that only the provider can see."""


class ContentBound(NamedTuple):
    text_tokens: int
    image_tokens: int
    audio_tokens: int
    opaque_tokens: int


def read_content(messages: msgspec.Raw, tools: msgspec.Raw) -> Content:
    """Raises `msgspec.DecodeError` for what is no list of messages, `GatewayFault` for what cannot be bounded."""
    images: list[_ImageUrl] = []
    sounds: list[_InputAudio] = []
    opaque: list[str] = []
    part_count = 0
    found = _MESSAGES.decode(messages)
    for place, message in enumerate(found):
        if is_given(message.audio):
            opaque.append(f"messages[{place}].audio")
        part_count += len(message.tool_calls or ())
        if first_byte(message.content) == b"{":
            raise invalid(f"messages[{place}].content", f"'messages[{place}].content' is no text and no list of parts.")
        if first_byte(message.content) != b"[":
            continue
        parts = _PARTS.decode(message.content)
        part_count += len(parts)
        for part in parts:
            _read_part(part, f"messages[{place}].content", images, sounds, opaque)
    tool_count = _count_tools(tools)
    return Content(messages, tools, len(found), part_count, tool_count, tuple(images), tuple(sounds), tuple(opaque))


def _read_part(part: _Part, place: str, images: list[_ImageUrl], sounds: list[_InputAudio], opaque: list[str]) -> None:
    if part.image_url is not None:
        images.append(_ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url)
    if part.input_audio is not None:
        sounds.append(part.input_audio)
    if is_given(part.file):
        opaque.append(f"{place}[].file")
    if not part.type:
        raise invalid(place, f"A part of '{place}' has no type.")
    if part.type not in TEXT_PARTS and part.type not in MEDIA_PARTS:
        raise feature_not_priced(f"{place}[].{part.type}")


def _count_tools(tools: msgspec.Raw) -> int:
    if not is_given(tools):
        return 0
    found = _TOOLS.decode(tools)
    for place, tool in enumerate(found):
        if tool.type not in TOOL_TYPES:
            raise feature_not_priced(f"tools[{place}].{tool.type}", "it is run by the provider, at a price of its own")
    return len(found)


def content_bound(content: Content, texts: Sequence[msgspec.Raw], facts: ModelFacts, *, exact: bool) -> ContentBound:
    """The most tokens that everything may count for, on a model. `texts` are further members that count as text.

    `exact` counts text with a tokenizer, which may take long. Raises `GatewayFault` where there is no bound.
    """
    window = facts.context_bound_tokens
    if content.opaque:
        if opaque_reference_tokens(facts) is None:
            raise feature_not_priced(
                content.opaque[0],
                f"the context window of {facts.model} is not known; an operator can set it in [[pricing.models]]",
            )
        # What is seen and what is not, together, cannot be more than the model takes in.
        return ContentBound(0, 0, 0, window or 0)
    images = sum(_image_tokens(image, facts) for image in content.images) if content.images else 0
    sounds = sum(_audio_tokens(sound, facts) for sound in content.sounds) if content.sounds else 0
    json_texts = [*texts, *([content.tools] if is_given(content.tools) else [])]
    if exact:
        text = exact_text_bound("\n".join(_strings_of(content, json_texts)), facts.family)
    else:
        text = sum(cheap_text_bound(bytes(raw), facts.family) for raw in json_texts)
        text += cheap_text_bound(_without_media(content), facts.family)
    text += overhead_tokens(
        facts.family, messages=content.message_count, parts=content.part_count, tools=content.tool_count
    )
    return ContentBound(text if window is None else min(text, window), images, sounds, 0)


def _image_tokens(image: _ImageUrl, facts: ModelFacts) -> int:
    size = inline_image_size(image.url) if image.url.startswith("data:") else None
    return image_token_bound(facts, size, image.detail)


def _audio_tokens(sound: _InputAudio, facts: ModelFacts) -> int:
    tokens = audio_token_bound(facts, _decoded(sound.data), sound.format)
    if tokens is None:
        raise feature_not_priced("messages[].content[].input_audio", f"{facts.model} has no price for audio by tokens")
    return tokens


def _decoded(base64_text: str) -> bytes:
    try:
        return b64decode(base64_text)
    except ValueError:
        return base64_text.encode("utf-8", "replace")


# --- text ------------------------------------------------------------------------------------------------------------


def _without_media(content: Content) -> bytes:
    """The messages' JSON; where it carries media, only the strings beside them."""
    if not content.images and not content.sounds:
        return bytes(content.messages)
    return "\n".join(_strings(msgspec.json.decode(content.messages))).encode("utf-8", "surrogatepass")


def _strings_of(content: Content, json_texts: Iterable[msgspec.Raw]) -> Iterable[str]:
    yield from _strings(msgspec.json.decode(content.messages))
    for raw in json_texts:
        # Written anew, so that escapes count as the characters they stand for.
        yield msgspec.json.encode(msgspec.json.decode(raw)).decode("utf-8", "surrogatepass")


_NAMES_NOT_SENT: Final = frozenset(
    {"role", "content", "type", "text", "name", "tool_calls", "function", "arguments", "id", "tool_call_id", "refusal"}
)
"""Names of fields that stand for structure: `overhead_tokens` counts it."""


def _strings(value: Any) -> Iterable[str]:
    """All text in a decoded value, without media."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in MEDIA_PARTS and value.get("type") in MEDIA_PARTS:
                continue
            if name not in _NAMES_NOT_SENT:
                yield name
            yield from _strings(item)
    elif value is not None:
        yield str(value)
