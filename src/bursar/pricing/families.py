"""Facts that price lists do not tell: a family's tokenizer, hidden reasoning, longest output. Pure.

A table, first match wins, matched on the bare name (`openai/gpt-4o` and `ft:gpt-4o:acme` are `gpt-4o…`).
It says only what the providers' model pages say; whatever matches nothing gets the careful answer: hidden
reasoning is possible (so no growing slices), no tokenizer of its own (so a margin), no known longest
output. Configuration overrides each fact per model (`[[pricing.models]]`: `context_window`,
`max_output_tokens`, `reasoning`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

Reasoning = Literal["never", "on_request", "possible"]
"""`never`: every output token is seen as it streams. `on_request`: only a request that switches thinking
on has billed output that is not seen. `possible`: the model may think by itself, or nothing is known."""

Encoding = Literal["cl100k_base", "o200k_base"]
ImageRule = Literal["openai_tiles", "openai_patches", "anthropic", "anthropic_large", "unknown"]
Vendor = Literal["openai", "anthropic", "other"]

EXACT: Final = Decimal(1)
FOREIGN: Final = Decimal("1.5")
"""Margin on `o200k_base` for other vendors' tokenizers. An estimate: vocabularies of 100,000 to 260,000
entries differ by a tenth to a third on prose and code."""
CLAUDE_NEW: Final = Decimal("2.2")
"""For Claude Opus 4.7 and later. Anthropic's release notes say up to 1.35 times the tokens of before
("What's new in Claude Opus 4.7"); 1.46 times was measured through their token counting endpoint on prose."""


@dataclass(frozen=True, slots=True)
class Family:
    """What is known of a family. `encoding` is the bundled tokenizer nearest to the model's; `margin` what
    its count is multiplied with for a bound, 1 where it is the model's own. `None`: not known."""

    vendor: Vendor = "other"
    encoding: Encoding | None = "o200k_base"
    margin: Decimal = FOREIGN
    reasoning: Reasoning = "possible"
    max_output_tokens: int | None = None
    images: ImageRule = "unknown"


UNKNOWN: Final = Family()


def _openai(
    encoding: Encoding,
    reasoning: Reasoning,
    max_output: int | None,
    images: ImageRule = "openai_patches",
    margin: Decimal = EXACT,
) -> Family:
    return Family("openai", encoding, margin, reasoning, max_output, images)


def _claude(
    reasoning: Reasoning,
    max_output: int | None,
    margin: Decimal = FOREIGN,
    images: ImageRule = "anthropic",
) -> Family:
    return Family("anthropic", "o200k_base", margin, reasoning, max_output, images)


_FAMILIES: Final[tuple[tuple[str, Family], ...]] = (
    # Bursar's own demo models: plain text, no thinking, never more tokens than bytes.
    (r"demo-", Family(encoding=None, margin=EXACT, reasoning="never")),
    # OpenAI: platform.openai.com/docs/models, one page per model; encodings as in tiktoken's model.py.
    (r"(chatgpt-4o|gpt-4o)", _openai("o200k_base", "never", 16_384, "openai_tiles")),
    (r"gpt-4\.1-(mini|nano)", _openai("o200k_base", "never", 32_768)),
    (r"gpt-4\.1", _openai("o200k_base", "never", 32_768, "openai_tiles")),
    (r"gpt-4\.5", _openai("o200k_base", "never", 16_384, "openai_tiles")),
    (r"gpt-4-(turbo|vision|1106|0125)", _openai("cl100k_base", "never", 4_096, "openai_tiles")),
    (r"gpt-4(-(0314|0613|32k).*)?$", _openai("cl100k_base", "never", None)),
    (r"gpt-3\.5", _openai("cl100k_base", "never", None)),
    (r"gpt-audio", _openai("o200k_base", "never", 16_384)),
    (r"text-embedding-", _openai("cl100k_base", "never", 0)),
    (r"gpt-5-chat", _openai("o200k_base", "never", 16_384, "openai_tiles")),
    (r"gpt-5(-20\d\d.*)?$", _openai("o200k_base", "possible", 128_000, "openai_tiles")),
    (r"gpt-5(\.[12])?(-mini|-nano|-codex)?(-20\d\d.*)?$", _openai("o200k_base", "possible", 128_000)),
    (r"gpt-5", _openai("o200k_base", "possible", None)),
    (r"(o1|o3)(-(?!mini)|$)", _openai("o200k_base", "possible", 100_000, "openai_tiles")),
    (r"(o1-mini|o3-mini|o4-mini)", _openai("o200k_base", "possible", 100_000)),
    (r"(codex|computer-use|gpt-oss)", _openai("o200k_base", "possible", None)),
    (r"(gpt-|o\d)", _openai("o200k_base", "possible", None, margin=FOREIGN)),
    # Anthropic: platform.claude.com/docs, "Models overview" and "Extended thinking" (off unless the request asks).
    (r"claude-(v1|2|instant)", _claude("never", 4_096)),
    (r"claude-3-5-", _claude("never", 8_192)),
    (r"claude-3-7-", _claude("on_request", 128_000)),
    (r"claude-3-", _claude("never", 4_096)),
    (r"claude-opus-4(-[01])?(-20\d{6}|$)", _claude("on_request", 32_000)),
    (r"claude-(sonnet|haiku|opus)-4(-[05])?(-20\d{6}|$)", _claude("on_request", 64_000)),
    (r"claude-(sonnet|opus)-4-6", _claude("on_request", None)),
    (r"claude", _claude("possible", None, CLAUDE_NEW, "anthropic_large")),
    # Others whose published weights have no thinking mode.
    (r"gemini-(1\.|2\.0-)(?!.*think)", Family(reasoning="never")),
    (r"(meta-)?llama-?[234](?!.*(nemotron|think|reason|r1))", Family(reasoning="never")),
    (r"(open-mistral|open-mixtral|mixtral)", Family(reasoning="never")),
)

_COMPILED: Final = tuple((re.compile(pattern), family) for pattern, family in _FAMILIES)
_PREFIX: Final = re.compile(r"^(?:.*/)?(?:ft:)?(?:[a-z]{2,6}\.)?(?:anthropic\.|meta\.|openai\.)?")


@lru_cache(maxsize=4096)
def family_of(model: str) -> Family:
    """The family of a model by its name, whatever route prefix stands before it; `UNKNOWN` if none is
    known."""
    bare = _PREFIX.sub("", model.lower())
    for pattern, family in _COMPILED:
        if pattern.match(bare):
            return family
    return UNKNOWN
