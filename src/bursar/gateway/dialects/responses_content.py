"""What the input of a response carries, and its bounds in tokens. Pure.

`ITEMS` and `PARTS` say how each item and content part is bounded; a test holds them against the official client's
types. What the provider keeps (references, stored reasoning, what its tools have found) counts as the context window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import msgspec

from bursar.gateway.dialects.members import ABSENT, first_byte, is_given
from bursar.gateway.dialects.request_json import text_bound
from bursar.gateway.dialects.responses_tools import Tools
from bursar.gateway.dialects.seam import feature_not_priced, invalid
from bursar.pricing.bounds import image_token_bound, inline_image_size, opaque_reference_tokens, overhead_tokens
from bursar.pricing.catalogue import ModelFacts

ItemRule = Literal["text", "content", "output", "image", "opaque", "reasoning", "results", "tools", "configuration"]
"""`text`: its strings. `content`, `output`: parts in that member. `image`: one, made earlier. `opaque`: the provider
keeps the rest of it. `reasoning`, `results`: opaque where that is not there. `tools`: more tools. `configuration`:
thinking may begin."""

ITEMS: Final[Mapping[str, ItemRule]] = {
    "message": "content",
    "additional_tools": "tools",
    "apply_patch_call": "text",
    "apply_patch_call_output": "text",
    "code_interpreter_call": "opaque",
    "compaction": "text",
    "computer_call": "text",
    "computer_call_output": "output",
    "configuration_update": "configuration",
    "custom_tool_call": "text",
    "custom_tool_call_output": "output",
    "file_search_call": "results",
    "function_call": "text",
    "function_call_output": "output",
    "image_generation_call": "image",
    "item_reference": "opaque",
    "local_shell_call": "text",
    "local_shell_call_output": "text",
    "mcp_approval_request": "text",
    "mcp_approval_response": "text",
    "mcp_call": "text",
    "mcp_list_tools": "text",
    "program": "text",
    "program_output": "text",
    "reasoning": "reasoning",
    "shell_call": "text",
    "shell_call_output": "text",
    "tool_search_call": "text",
    "tool_search_output": "tools",
    "web_search_call": "opaque",
}
"""Encrypted content counts by its base64, which is no shorter than what it hides. Not here, and so refused:
`compaction_trigger` (what summarising costs is not bounded by the request)."""

PARTS: Final[Mapping[str, Literal["text", "image", "file"]]] = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "refusal": "text",
    "reasoning_text": "text",
    "summary_text": "text",
    "input_image": "image",
    "computer_screenshot": "image",
    "input_file": "file",
}

STRUCTURE: Final = frozenset(
    {
        "type", "role", "content", "text", "id", "call_id", "status", "name", "arguments", "output", "input", "summary",
        "encrypted_content", "annotations", "logprobs", "phase", "image_url", "detail", "file_id", "file_url",
        "file_data", "filename", "refusal", "prompt_cache_breakpoint", "result", "results", "action", "outputs",
    }
)  # fmt: skip
"""Names of members that give strings their places: `overhead_tokens` counts what is shown of them."""


class _Part(msgspec.Struct):
    type: str = ""
    image_url: str | None = None
    file_data: str | None = None
    detail: str | None = None


class _Item(msgspec.Struct):
    type: str | None = None
    role: str | None = None
    content: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    results: msgspec.Raw = ABSENT
    encrypted_content: str | None = None
    result: str | None = None


class _Image(NamedTuple):
    url: str | None
    """A `data:` URL or bare base64; `None` for one behind another URL or a file id."""
    detail: str | None


_ITEMS: Final = msgspec.json.Decoder(list[_Item])
_PARTS: Final = msgspec.json.Decoder(list[_Part])
_PART: Final = msgspec.json.Decoder(_Part)


@dataclass(slots=True)
class Content:
    """What is in the input."""

    raws: list[msgspec.Raw]
    item_count: int = 1
    part_count: int = 0
    images: list[_Image] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    """All base64."""
    tools: list[tuple[str, msgspec.Raw]] = field(default_factory=list)
    """Lists of tools among the items, by where they stand."""
    opaque: list[str] = field(default_factory=list)
    """Where something stands that only the provider can see."""
    may_think: bool = False


class ContentBound(NamedTuple):
    text_tokens: int
    image_tokens: int
    opaque_tokens: int


def read_content(given: msgspec.Raw, instructions: msgspec.Raw) -> Content:
    """Raises `msgspec.DecodeError` for what is no input, `GatewayFault` for what cannot be bounded."""
    content = Content([raw for raw in (given, instructions) if is_given(raw)])
    if first_byte(given) == b"[":
        items = _ITEMS.decode(given)
        content.item_count += len(items)
        for number, item in enumerate(items):
            _read_item(item, f"input[{number}]", content)
    return content


def _read_item(item: _Item, place: str, content: Content) -> None:
    # A type may be left out of a message (it has a role) and of a reference (it has an id).
    kind = item.type or ("message" if item.role else "item_reference")
    match ITEMS.get(kind):
        case None:
            raise feature_not_priced(f"{place}.{kind}")
        case "content":
            _read_parts(item.content, f"{place}.content", content)
        case "output":
            _read_parts(item.output, f"{place}.output", content)
        case "image":
            content.images.append(_Image(item.result, None))
            content.media.append(item.result or "")
        case "opaque":
            content.opaque.append(f"{place}.{kind}")
        case "reasoning":
            if not item.encrypted_content and not is_given(item.content):
                content.opaque.append(f"{place}.{kind}")
        case "results":
            if not is_given(item.results):
                content.opaque.append(f"{place}.{kind}")
        case "tools":
            content.tools.append((f"{place}.tools", item.tools))
        case "configuration":
            content.may_think = True
        case "text":
            pass


def _read_parts(raw: msgspec.Raw, place: str, content: Content) -> None:
    kind = first_byte(raw)
    if kind == b"{":
        _read_part(_PART.decode(raw), place, content)
    elif kind == b"[":
        parts = _PARTS.decode(raw)
        content.part_count += len(parts)
        for part in parts:
            _read_part(part, f"{place}[]", content)


def _read_part(part: _Part, place: str, content: Content) -> None:
    match PARTS.get(part.type):
        case None:
            raise (
                feature_not_priced(f"{place}.{part.type}")
                if part.type
                else invalid(place, f"A part of '{place}' has no type.")
            )
        case "image":
            inline = part.image_url is not None and part.image_url.startswith("data:")
            content.images.append(_Image(part.image_url if inline else None, part.detail))
            if inline:
                content.media.append(part.image_url or "")
        case "file":
            content.opaque.append(f"{place}.{part.type}")
        case "text":
            pass


def content_bound(
    content: Content,
    tools: Tools,
    texts: Sequence[msgspec.Raw],
    opaque: Sequence[str],
    facts: ModelFacts,
    output_limit: int | None,
    *,
    exact: bool,
) -> ContentBound:
    """The most tokens that everything may count for, on a model. `texts` are further members that count as text,
    `opaque` names of members that only the provider can read.

    `exact` counts text with a tokenizer, which may take long. Raises `GatewayFault` where there is no bound.
    """
    window = opaque_reference_tokens(facts)
    hidden = [*opaque, *content.opaque, *tools.opaque]
    if tools.run_by_provider and output_limit is None:
        hidden.append("max_output_tokens")  # Each round takes in what the ones before it have put out.
    if hidden:
        if window is None:
            raise feature_not_priced(
                hidden[0],
                f"the context window of {facts.model} is not known; an operator can set it in [[pricing.models]]",
            )
        # What is seen and what is not, together, cannot be more than the model takes in, each time that it does.
        return ContentBound(0, 0, window * tools.rounds)
    images = sum(
        image_token_bound(facts, None if image.url is None else inline_image_size(image.url), image.detail)
        for image in content.images
    )
    text = text_bound(content.raws, [*tools.raws, *texts], content.media, STRUCTURE, facts.family, exact=exact)
    text += overhead_tokens(
        facts.family,
        messages=content.item_count,
        parts=content.part_count,
        tools=tools.count,
        provider_tools=tools.provider_count,
    )
    if tools.run_by_provider:
        text, images = (text + (output_limit or 0)) * tools.rounds, images * tools.rounds
    return ContentBound(text if window is None else min(text, window * tools.rounds), images, 0)
