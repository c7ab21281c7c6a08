"""Upper bounds in tokens for images, by the providers' rules, never by the bytes of their base64. Pure.

Sources: OpenAI, "Images and vision", section "Calculating costs"; Anthropic, "Vision", sections "Evaluate
image size" and "Calculate image costs". Where the documentation leaves room (whether small images are
scaled up, which multiplier a new model has), the dearer reading is taken.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from math import ceil
from typing import Final, NamedTuple

from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.families import ImageRule

HEADER_BASE64_CHARACTERS: Final = 262_144
"""Decoded first: enough for all but photographs with unusually large metadata before their size."""

SLACK_TOKENS: Final = 16
"""For the markers that providers put around an image."""


class ImageSize(NamedTuple):
    width: int
    height: int


def image_token_bound(facts: ModelFacts, size: ImageSize | None, detail: str | None = None) -> int:
    """The most tokens that one image may count for.

    `size` is `None` for an image behind a URL or a file id, or one that cannot be read: then the rule's
    maximum. `detail` is the request's own (`low`, `high`, `auto`, `original`, or `None`).
    """
    return _RULES[facts.family.images](facts.model.rpartition("/")[2].lower(), size, detail) + SLACK_TOKENS


# --- rules -----------------------------------------------------------------------------------------------------------

_TILE_TOKENS: Final[tuple[tuple[str, int, int], ...]] = (
    (r"gpt-4o-mini", 2_833, 5_667),
    (r"gpt-5", 70, 140),
    (r"o[13]", 75, 150),
    (r"gpt-4|chatgpt", 85, 170),
    (r"", 2_833, 5_667),
)
"""Base tokens, and tokens for each tile of 512 pixels."""

MOST_TILES: Final = 8
"""768 by 2,048 pixels."""

_PATCH_MULTIPLIER_PERCENT: Final[tuple[tuple[str, int], ...]] = (
    (r".*nano", 246),
    (r"o4-mini|codex-mini", 172),
    (r"", 162),
)
PATCHES_HIGH: Final = 2_500
PATCHES_ORIGINAL: Final = 10_000
"""The largest budgets of patches of 32 pixels: at `high` detail, and at `original`, which `auto` may mean."""

_SMALLER_BUDGET: Final = re.compile(r"gpt-4\.1-|o4-mini|codex-mini|gpt-5(\.\d)?-(mini|nano)")
"""Models without `original` detail."""

CLAUDE_STANDARD: Final = 1_640
CLAUDE_LARGE: Final = 5_005
"""1,568 and 4,784 patches of 28 pixels, counted by the older formula of width × height ÷ 750, which says a
little more."""

UNKNOWN_LEAST: Final = 6_404
UNKNOWN_MOST: Final = 16_384
"""For other vendors: four of Llama's tiles of 1,601 tokens (Together, "Vision"), and the largest image of
Qwen's models (Qwen2-VL, "Image Resolution for performance boost")."""


def _openai_tiles(model: str, size: ImageSize | None, detail: str | None) -> int:
    base, per_tile = next((b, t) for pattern, b, t in _TILE_TOKENS if re.match(pattern, model))
    return base if detail == "low" else base + per_tile * _tiles(size)


def _tiles(size: ImageSize | None) -> int:
    """Scaled to fit 2,048 by 2,048, then to a shortest side of 768 pixels, then cut into tiles of 512."""
    if size is None:
        return MOST_TILES
    short, long = sorted(size)
    if long > 2_048:
        short, long = max(1, ceil(short * 2_048 / long)), 2_048
    long = min(2_048, ceil(long * 768 / short))
    return 2 * ceil(long / 512)


def _openai_patches(model: str, size: ImageSize | None, detail: str | None) -> int:
    """Patches of 32 pixels up to a budget, times the model's multiplier. `low` saves nothing on some of
    these models."""
    percent = next(p for pattern, p in _PATCH_MULTIPLIER_PERCENT if re.match(pattern, model))
    budget = PATCHES_HIGH if _SMALLER_BUDGET.match(model) or detail in ("high", "low") else PATCHES_ORIGINAL
    patches = budget if size is None else min(budget, ceil(size.width / 32) * ceil(size.height / 32))
    return -(-patches * percent // 100)


def _claude(size: ImageSize | None, most: int) -> int:
    if size is None:
        return most
    patches = ceil(size.width / 28) * ceil(size.height / 28)
    return min(most, max(patches, ceil(size.width * size.height / 750)))


def _anthropic(model: str, size: ImageSize | None, detail: str | None) -> int:
    return _claude(size, CLAUDE_STANDARD)


def _anthropic_large(model: str, size: ImageSize | None, detail: str | None) -> int:
    return _claude(size, CLAUDE_LARGE)


def _unknown(model: str, size: ImageSize | None, detail: str | None) -> int:
    if size is None:
        return UNKNOWN_MOST
    return max(UNKNOWN_LEAST, min(UNKNOWN_MOST, ceil(size.width / 14) * ceil(size.height / 14)))


_RULES: Final[dict[ImageRule, Callable[[str, ImageSize | None, str | None], int]]] = {
    "openai_tiles": _openai_tiles,
    "openai_patches": _openai_patches,
    "anthropic": _anthropic,
    "anthropic_large": _anthropic_large,
    "unknown": _unknown,
}


# --- reading sizes ---------------------------------------------------------------------------------------------------


def inline_image_size(base64_text: str) -> ImageSize | None:
    """The size of an image given as base64, or as a `data:` URL; `None` if it cannot be read."""
    if base64_text.startswith("data:"):
        base64_text = base64_text.partition(",")[2]
    for end in (HEADER_BASE64_CHARACTERS, len(base64_text)):
        try:
            data = b64decode(base64_text[: end - end % 4] if end < len(base64_text) else base64_text)
        except (Base64Error, ValueError):
            return None
        size = image_size(data)
        if size is not None or end >= len(base64_text):
            return size
    return None


def image_size(data: bytes) -> ImageSize | None:
    """The size in pixels that a PNG, JPEG, GIF or WebP says it has, read from its header; `None` if there
    is none."""
    size = None
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        size = _big_endian(data, 16, 4), _big_endian(data, 20, 4)
    elif data[:6] in (b"GIF87a", b"GIF89a"):
        size = _little_endian(data, 6, 2), _little_endian(data, 8, 2)
    elif data.startswith(b"\xff\xd8"):
        size = _jpeg_size(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = _webp_size(data)
    return ImageSize(*size) if size is not None and min(size) > 0 else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """From the first start-of-frame segment (ITU-T T.81, B.2.2)."""
    place = 2
    while place + 9 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _big_endian(data, place + 7, 2), _big_endian(data, place + 5, 2)
        elif marker in (0x01, *range(0xD0, 0xD9)):
            place += 2
        else:
            place += 2 + max(2, _big_endian(data, place + 2, 2))
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """From the first chunk (RFC 9649, section 2)."""
    chunk = data[12:16]
    if len(data) < 30:
        return None
    if chunk == b"VP8X":
        return _little_endian(data, 24, 3) + 1, _little_endian(data, 27, 3) + 1
    if chunk == b"VP8L" and data[20] == 0x2F:
        bits = _little_endian(data, 21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return _little_endian(data, 26, 2) & 0x3FFF, _little_endian(data, 28, 2) & 0x3FFF
    return None


def _big_endian(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "big")


def _little_endian(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "little")
