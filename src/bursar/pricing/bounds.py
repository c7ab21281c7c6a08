"""Upper bounds in tokens for everything a request may carry. Pure.

A dialect adds up, field by field: text (`cheap_text_bound`, then `exact_text_bound` if that does not fit),
images, audio, opaque references, and the overhead that providers add around messages and tools. Text and
images have files of their own; their functions are offered here too, so that a dialect imports one module.
"""

from __future__ import annotations

from math import ceil
from typing import Final

from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.families import Family, Vendor
from bursar.pricing.images import ImageSize, image_size, image_token_bound, inline_image_size
from bursar.pricing.tokens import cheap_text_bound, count_tokens, exact_text_bound

__all__ = [
    "ImageSize",
    "audio_token_bound",
    "cheap_text_bound",
    "count_tokens",
    "exact_text_bound",
    "image_size",
    "image_token_bound",
    "inline_image_size",
    "opaque_reference_tokens",
    "overhead_tokens",
]

# --- what providers add ----------------------------------------------------------------------------------------------

MESSAGE_TOKENS: Final[dict[Vendor, int]] = {"openai": 4, "anthropic": 8, "other": 16}
"""Around each message. OpenAI Cookbook, "How to count tokens with Tiktoken": three, and one for a name.
For the others an estimate with room: chat templates put a role and two or three markers around a message."""

REQUEST_TOKENS: Final[dict[Vendor, int]] = {"openai": 16, "anthropic": 32, "other": 64}
"""Once per request: the reply is primed with three tokens at OpenAI; chat templates of others add a line
or two."""

TOOL_TOKENS: Final = 16
"""Around each tool that the request defines, beside the text of its JSON, which is longer than what models
are shown."""

TOOLS_TOKENS: Final[dict[Vendor, int]] = {"openai": 32, "anthropic": 1_024, "other": 512}
"""Once, if there are tools. Anthropic, "Pricing", "Tool use pricing": a system prompt of 159 to 530 tokens
by model."""

PROVIDER_TOOL_TOKENS: Final = 1_536
"""For each tool whose definition is the provider's. Anthropic, "Pricing": bash 245, text editor 700,
computer use 735 and a system prompt of up to 499."""


def overhead_tokens(
    family: Family, *, messages: int = 0, parts: int = 0, tools: int = 0, provider_tools: int = 0
) -> int:
    """The most tokens that a provider adds around what the request says.

    `parts` counts content parts, tool calls and tool results inside messages; `tools` the definitions that
    the request carries; `provider_tools` those that it only names (`bash_20250124`, `web_search`).
    """
    total = REQUEST_TOKENS[family.vendor] + MESSAGE_TOKENS[family.vendor] * (messages + parts)
    if tools or provider_tools:
        total += TOOLS_TOKENS[family.vendor] + TOOL_TOKENS * tools + PROVIDER_TOOL_TOKENS * provider_tools
    return total


# --- opaque references -----------------------------------------------------------------------------------------------


def opaque_reference_tokens(facts: ModelFacts) -> int | None:
    """The bound for what only the provider can see (a `file_id`, a PDF, a previous response): the context
    window.

    `None` where the window is not known: then there is no bound, and the field is refused by name. An
    operator sets `context_window` in `[[pricing.models]]`.
    """
    return facts.context_bound_tokens


# --- audio -----------------------------------------------------------------------------------------------------------

AUDIO_TOKENS_PER_SECOND: Final[dict[Vendor, int]] = {"openai": 10, "anthropic": 32, "other": 32}
"""OpenAI, "Managing costs" of the Realtime guide: one token for 100 ms of user audio. Gemini, "Audio
understanding": 32 tokens for a second, the most that is documented anywhere."""

LEAST_BYTES_PER_SECOND: Final[dict[str, int]] = {"pcm16": 16_000, "wav": 1_600, "mp3": 1_000}
"""The longest that so many bytes can sound: 16-bit PCM at 8 kHz, GSM in WAV, MPEG-2 layer III at 8 kbit/s."""
LEAST_BYTES_PER_SECOND_OTHERWISE: Final = 500
"""Below Opus at its least bit rate (RFC 6716: 6 kbit/s)."""


def audio_token_bound(facts: ModelFacts, data: bytes, audio_format: str) -> int | None:
    """The most tokens that inline audio may count for; `None` where the model charges audio in a way that is
    not priced.

    `data` is the decoded audio. The length of uncompressed WAV is read from its header, everything else is
    taken to be as long as its format allows.
    """
    if "audio" in facts.unpriced_inputs:
        return None
    seconds = _wav_seconds(data)
    if seconds is None:
        least = LEAST_BYTES_PER_SECOND.get(audio_format, LEAST_BYTES_PER_SECOND_OTHERWISE)
        seconds = ceil(len(data) / least)
    return (seconds + 1) * AUDIO_TOKENS_PER_SECOND[facts.family.vendor]


def _wav_seconds(data: bytes) -> int | None:
    """The seconds, rounded up, of PCM in WAV (RFC 2361, format 1). `None` for anything else."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE" or data[12:16] != b"fmt " or data[20:22] != b"\x01\x00":
        return None
    channels, rate = int.from_bytes(data[22:24], "little"), int.from_bytes(data[24:28], "little")
    bits = int.from_bytes(data[34:36], "little")
    bytes_per_second = channels * rate * bits // 8
    return ceil(len(data) / bytes_per_second) if bytes_per_second else None
