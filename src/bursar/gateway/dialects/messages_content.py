"""What the messages and the system prompt of Anthropic's API carry, and its bounds in tokens. Pure.

`BLOCKS` says how each content block is bounded; a test holds it against the official client's types. Documents and what
else only the provider can read count as the context window, images by the provider's rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import msgspec

from bursar.gateway.dialects.members import ABSENT, first_byte, is_given
from bursar.gateway.dialects.messages_tools import Tools
from bursar.gateway.dialects.request_json import text_bound
from bursar.gateway.dialects.seam import feature_not_priced, invalid
from bursar.pricing.bounds import image_token_bound, inline_image_size, opaque_reference_tokens, overhead_tokens
from bursar.pricing.catalogue import ModelFacts

BlockRule = Literal["text", "image", "document", "nested", "fetched"]
"""`text`: its strings. `image`, `document`: by its source. `nested`: more blocks in `content`. `fetched`: a document in
`content.content`."""

BLOCKS: Final[Mapping[str, BlockRule]] = {
    "text": "text",
    "image": "image",
    "document": "document",
    "search_result": "nested",
    "thinking": "text",
    "redacted_thinking": "text",
    "tool_use": "text",
    "tool_result": "nested",
    "tool_reference": "text",
    "browser_state": "text",
    "server_tool_use": "text",
    "web_search_tool_result": "text",
    "web_fetch_tool_result": "fetched",
    "code_execution_tool_result": "text",
    "bash_code_execution_tool_result": "text",
    "text_editor_code_execution_tool_result": "text",
    "tool_search_tool_result": "text",
    # Beta.
    "advisor_tool_result": "text",
    "mcp_tool_use": "text",
    "mcp_tool_result": "nested",
    "mcp_tool_listing": "text",
    "compaction": "text",
    "fallback": "text",
}
"""Encrypted parts (thinking, search results) count by their base64, which is no shorter than what it hides. Not here,
and so refused: `container_upload` (files for code that the provider runs), `tool_addition` and `tool_removal` (tools
that `tools` does not show)."""

DEEPEST: Final = 6
"""A document in a tool's result has its content at the fourth level."""

STRUCTURE: Final = frozenset(
    {
        "role", "content", "type", "text", "source", "media_type", "data", "cache_control", "ttl", "id", "name",
        "input", "tool_use_id", "is_error", "thinking", "signature", "url", "file_id", "citations", "enabled", "title",
        "context",
    }
)  # fmt: skip
"""Names of members that give strings their places: `overhead_tokens` counts what is shown of them."""


class _Source(msgspec.Struct):
    type: str = ""
    data: str = ""
    content: msgspec.Raw = ABSENT


class _Block(msgspec.Struct):
    type: str = ""
    source: _Source | str | None = None
    content: msgspec.Raw = ABSENT


class _Message(msgspec.Struct):
    content: msgspec.Raw


_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_BLOCKS: Final = msgspec.json.Decoder(list[_Block])
_BLOCK: Final = msgspec.json.Decoder(_Block)


@dataclass(slots=True)
class Content:
    """What is in the messages and the system prompt."""

    raws: list[msgspec.Raw]
    message_count: int = 0
    part_count: int = 0
    images: list[str | None] = field(default_factory=list)
    """Base64, or `None` for one behind a URL or a file id."""
    media: list[str] = field(default_factory=list)
    """All base64."""
    opaque: list[str] = field(default_factory=list)
    """Where something stands that only the provider can read."""


class ContentBound(NamedTuple):
    text_tokens: int
    image_tokens: int
    opaque_tokens: int


def read_content(messages: msgspec.Raw, system: msgspec.Raw) -> Content:
    """Raises `msgspec.DecodeError` for what are no messages, `GatewayFault` for what cannot be bounded."""
    content = Content([raw for raw in (messages, system) if is_given(raw)])
    found = _MESSAGES.decode(messages)
    content.message_count = len(found) + 1
    for place, message in enumerate(found):
        _read_blocks(message.content, f"messages[{place}].content", content, 1)
    if is_given(system):
        _read_blocks(system, "system", content, 1)
    return content


def _read_blocks(raw: msgspec.Raw, place: str, content: Content, depth: int) -> None:
    if first_byte(raw) == b"{":
        raise invalid(place, f"'{place}' is no text and no list of blocks.")
    if first_byte(raw) != b"[":
        return  # A string, or nothing.
    if depth > DEEPEST:
        raise invalid(place, f"'{place}' is nested too deeply.")
    blocks = _BLOCKS.decode(raw)
    content.part_count += len(blocks)
    for block in blocks:
        _read_block(block, place, content, depth)


def _read_block(block: _Block, place: str, content: Content, depth: int) -> None:
    rule = BLOCKS.get(block.type)
    source = block.source if isinstance(block.source, _Source) else _Source()
    if rule is None:
        raise (
            feature_not_priced(f"{place}[].{block.type}")
            if block.type
            else invalid(place, f"A block of '{place}' has no type.")
        )
    if rule == "image":
        content.images.append(source.data if source.type == "base64" else None)
        if source.type == "base64":
            content.media.append(source.data)
    elif rule == "document":
        if source.type == "content":
            _read_blocks(source.content, f"{place}[].source.content", content, depth + 1)
        elif source.type != "text":
            content.opaque.append(f"{place}[].document")
            content.media.append(source.data)
    elif rule == "nested":
        _read_blocks(block.content, f"{place}[].content", content, depth + 1)
    elif rule == "fetched" and first_byte(block.content) == b"{":
        inner = _BLOCK.decode(block.content).content
        if first_byte(inner) == b"{":
            _read_block(_BLOCK.decode(inner), f"{place}[].content", content, depth + 1)


def content_bound(
    content: Content, tools: Tools, texts: list[msgspec.Raw], facts: ModelFacts, output_limit: int, *, exact: bool
) -> ContentBound:
    """The most tokens that everything may count for, on a model. `texts` are further members that count as text.

    `exact` counts text with a tokenizer, which may take long. Raises `GatewayFault` where there is no bound.
    """
    window = opaque_reference_tokens(facts)
    opaque = [*content.opaque, *tools.opaque]
    if opaque:
        if window is None:
            raise feature_not_priced(
                opaque[0],
                f"the context window of {facts.model} is not known; an operator can set it in [[pricing.models]]",
            )
        # What is seen and what is not, together, cannot be more than the model takes in, each time that it does.
        return ContentBound(0, 0, window * tools.rounds)
    images = sum(
        image_token_bound(facts, None if image is None else inline_image_size(image)) for image in content.images
    )
    definitions = [*tools.raws, *texts]
    text = text_bound(content.raws, definitions, content.media, STRUCTURE, facts.family, exact=exact)
    text += overhead_tokens(
        facts.family,
        messages=content.message_count,
        parts=content.part_count,
        tools=tools.count,
        provider_tools=tools.provider_count,
    )
    if tools.rounds > 1:
        # Each round takes in what the ones before it have put out.
        text, images = (text + output_limit) * tools.rounds, images * tools.rounds
    return ContentBound(text if window is None else min(text, window * tools.rounds), images, 0)
