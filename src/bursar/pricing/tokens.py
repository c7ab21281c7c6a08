"""Counting tokens of text: hard bounds by bytes, closer ones by a tokenizer. Pure, and at times slow.

`bpe-openai` carries OpenAI's vocabularies (`cl100k_base`, `o200k_base`) and counts about 30 MB of text a
second. It holds the interpreter's lock while it counts, so a text is counted in pieces of a few milliseconds
each: an event loop beside it goes on. A vocabulary is loaded at its first use (about 60 MB of memory for
`o200k_base`).

Why bytes are a bound: a byte-level BPE begins with one token per byte and only merges (openai/tiktoken,
README, "What is BPE anyway?": "the token sequence is shorter than the bytes corresponding to the original
text").
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from math import ceil
from typing import Final, Protocol, cast

from bursar.pricing.families import EXACT, Encoding, Family

PIECE_CHARACTERS: Final = 65_536
"""Text is counted in pieces of about this many characters: about two milliseconds."""

FARTHEST_CUT: Final = 4_096
TOKENS_PER_CUT: Final = 2
"""What cutting a text where no boundary of words is found may hide from the count of the pieces, with
room."""

BYTES_PER_TOKEN: Final = 4
"""Of an estimate where no tokenizer is at hand (openai/tiktoken, README: "each token corresponds to about
4 bytes")."""

FOREIGN_BYTES_PER_TOKEN: Final = 3
"""A foreign tokenizer's bound is at least this: OpenAI's merge long runs (128 spaces are one token) that
others do not."""


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Tokenizer(Protocol):
    def count(self, text: str, /) -> int: ...


class Bindings(Protocol):
    def tokenizer_for_encoding(self, encoding_name: str, /) -> Tokenizer: ...


def cheap_text_bound(text: str | bytes, family: Family) -> int:
    """An upper bound of the tokens of a text by its size alone, without a tokenizer: as fast as measuring it.

    `bytes` are the UTF-8 of the text (JSON text as it came is never shorter than what it stands for). A
    vendor's tokenizer that is not known may normalise (NFKC) before it splits, which makes a few
    characters longer; so for those vendors the longer of the two forms counts.
    """
    if isinstance(text, bytes):
        if family.vendor == "openai" or text.isascii():
            return len(text)
        text = text.decode("utf-8", "replace")
    if text.isascii():
        return len(text)
    size = _utf8_length(text)
    if family.vendor == "openai":
        return size
    return max(size, _utf8_length(unicodedata.normalize("NFKC", text)))


def exact_text_bound(text: str, family: Family) -> int:
    """An upper bound of the tokens of a text by a tokenizer. Slow for long texts: call it in a thread.

    The model's own tokenizer: its count. Another vendor's: `o200k_base` times the family's margin, plus
    one token for each character outside ASCII (scripts that others' vocabularies know less), at least a
    token for three bytes, and never more than the bound by bytes. That is an estimate with a margin, not a
    proof; what exceeds it is an overrun.
    """
    by_bytes = cheap_text_bound(text, family)
    if family.encoding is None or not text:
        return by_bytes
    count = count_pieces(tokenizer(family.encoding), text)
    if family.margin == EXACT:
        return min(count, by_bytes)
    beyond_ascii = 0 if text.isascii() else sum(1 for character in text if character > "\x7f")
    estimate = max(ceil(count * family.margin) + beyond_ascii, ceil(by_bytes / FOREIGN_BYTES_PER_TOKEN))
    return min(estimate, by_bytes)


def count_tokens(text: str, family: Family) -> int:
    """The tokens of a text for a charge that must be estimated: a tokenizer's count, or bytes ÷ 4 where none
    is known.

    A foreign tokenizer's count is taken with the family's margin (MONEY.md, "Settling" 4; never above the
    bytes).
    """
    if not text:
        return 0
    if family.encoding is None:
        return ceil(_utf8_length(text) / BYTES_PER_TOKEN)
    count = count_pieces(tokenizer(family.encoding), text)
    return min(ceil(count * family.margin), _utf8_length(text))


def count_pieces(counter: Tokenizer, text: str, *, piece_characters: int = PIECE_CHARACTERS) -> int:
    """The count of a text, piece by piece: that of the whole, or some tokens more where no boundary of
    words was near."""
    total, start = 0, 0
    while len(text) - start > piece_characters:
        end = _cut(text, start, start + piece_characters)
        if end is None:
            end = start + piece_characters
            total += TOKENS_PER_CUT
        total += _count(counter, text[start:end])
        start = end
    return total + _count(counter, text[start:])


def _cut(text: str, start: int, near: int) -> int | None:
    """A place at or before `near` where both vocabularies always split: before a single space between two
    letters."""
    for place in range(near, max(start, near - FARTHEST_CUT), -1):
        if text[place] == " " and text[place - 1].isalpha() and text[place + 1 : place + 2].isalpha():
            return place
    return None


def _count(counter: Tokenizer, text: str) -> int:
    try:
        return counter.count(text)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can carry; it goes upstream as U+FFFD or not at all
        return counter.count(_SURROGATE.sub("\ufffd", text))


@cache
def tokenizer(encoding: Encoding) -> Tokenizer:
    """The counter of an encoding, loaded once."""
    return _bindings().tokenizer_for_encoding(encoding)


@cache
def _bindings() -> Bindings:
    """The compiled part of `bpe-openai`, loaded without the Python part around it.

    That part refuses texts of a million characters, and keeps second copies of the vocabularies (60 MB).
    """
    package = find_spec("bpe_openai")
    places = package.submodule_search_locations if package is not None else None
    spec = PathFinder.find_spec("bpe_openai._bindings", places) if places is not None else None
    if spec is None or spec.loader is None:
        raise ImportError("bpe-openai is not installed")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Bindings, module)


def _utf8_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
