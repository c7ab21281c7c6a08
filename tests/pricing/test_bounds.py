"""Bounds of text, images, audio and opaque references: documented examples, and properties that must hold."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.pricing.bounds import (
    ImageSize,
    audio_token_bound,
    cheap_text_bound,
    count_tokens,
    exact_text_bound,
    image_size,
    image_token_bound,
    inline_image_size,
    opaque_reference_tokens,
    overhead_tokens,
)
from bursar.pricing.families import Encoding, family_of
from bursar.pricing.images import SLACK_TOKENS
from bursar.pricing.tokens import PIECE_CHARACTERS, count_pieces, tokenizer
from tests.pricing.samples import priced

OPENAI = family_of("gpt-4o")
OLDER = family_of("gpt-4")
CLAUDE = family_of("claude-sonnet-4-5")
NEWER_CLAUDE = family_of("claude-opus-4-7")
DEMO = family_of("demo-1")
FAMILIES = [OPENAI, OLDER, CLAUDE, NEWER_CLAUDE, DEMO]

ANY_TEXT = st.text(st.characters(), max_size=300)

# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "model", "tokens"),
    [
        ("tiktoken is great!", "gpt-4", 6),  # OpenAI Cookbook, "How to count tokens with Tiktoken"
        ("antidisestablishmentarianism", "gpt-4", 6),
        ("antidisestablishmentarianism", "gpt-4o", 6),
        ("お誕生日おめでとう", "gpt-4", 9),
        ("お誕生日おめでとう", "gpt-4o", 8),
        ("2 + 2 = 4", "gpt-4o", 7),
        ("", "gpt-4o", 0),
    ],
)
def test_counts_of_the_models_own_tokenizer(text: str, model: str, tokens: int) -> None:
    assert exact_text_bound(text, family_of(model)) == tokens
    assert count_tokens(text, family_of(model)) == tokens


@given(ANY_TEXT)
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    for family in (OPENAI, OLDER):
        assert family.encoding is not None
        assert count_pieces(tokenizer(family.encoding), text) <= size
        assert exact_text_bound(text, family) <= cheap_text_bound(text, family) == size


@given(ANY_TEXT)
def test_bounds_stand_in_order_for_every_family(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    for family in FAMILIES:
        assert count_tokens(text, family) <= exact_text_bound(text, family) <= cheap_text_bound(text, family)
        assert exact_text_bound(text, family) * 3 >= size or family in (OPENAI, OLDER)


def test_bytes_are_bounded_as_the_text_they_are() -> None:
    for family in FAMILIES:
        for text in ("plain", "Zürich", "\ufdfa" * 10):
            assert cheap_text_bound(text.encode(), family) == cheap_text_bound(text, family)


def test_another_vendors_tokenizer_gets_a_margin() -> None:
    text = "The bursar keeps an institution's money and says when it has run out. " * 20
    own = exact_text_bound(text, OPENAI)
    assert 1.4 * own < exact_text_bound(text, CLAUDE) < 2 * own
    assert 2.1 * own < exact_text_bound(text, NEWER_CLAUDE) < 3 * own


def test_scripts_that_others_know_less_get_more() -> None:
    text = "漢字かな交じり文" * 50
    assert exact_text_bound(text, CLAUDE) >= 1.5 * exact_text_bound(text, OPENAI) + len(text)


def test_long_runs_are_not_believed_for_others() -> None:
    assert exact_text_bound(" " * 30_000, OPENAI) < 500
    assert exact_text_bound(" " * 30_000, CLAUDE) == 10_000


def test_normalising_may_lengthen_a_text_for_others() -> None:
    assert cheap_text_bound("\ufdfa", OPENAI) == 3
    assert cheap_text_bound("\ufdfa", CLAUDE) == 33
    assert cheap_text_bound("\ufdfa".encode(), CLAUDE) == 33


def test_without_a_tokenizer_an_estimate_is_a_quarter_of_the_bytes() -> None:
    assert count_tokens("12345", DEMO) == 2
    assert exact_text_bound("12345", DEMO) == 5


def test_a_lone_surrogate_is_no_fault() -> None:
    for family in FAMILIES:
        assert 0 < count_tokens("a\ud800b", family) <= exact_text_bound("a\ud800b", family) <= 5


def test_the_tokenizer_is_loaded_without_its_python_copy_of_the_vocabularies() -> None:
    """It would cost each worker 60 MB more."""
    program = """
import sys
from bursar.pricing.families import family_of
from bursar.pricing.tokens import count_tokens
assert "bpe_openai" not in sys.modules
print(count_tokens("tiktoken is great!", family_of("gpt-4")), "bpe_openai" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["6", "False"]


def test_a_text_beyond_a_million_characters_is_counted() -> None:
    """The tokenizer's own wrapper refuses it."""
    assert exact_text_bound("word " * 250_000, OPENAI) < 251_000


@pytest.mark.parametrize("encoding", ["cl100k_base", "o200k_base"])
def test_prose_is_counted_in_pieces_as_in_one(encoding: Encoding) -> None:
    counter = tokenizer(encoding)
    source = random.Random(7)
    words = ["it's", "Zürich", "budget,", "42", "x=1;", "\n\n", "漢字", "don't", "Rappen", "überall", "of", "the"]
    text = " ".join(source.choice(words) for _ in range(2_000))
    assert len(text) < PIECE_CHARACTERS
    assert count_pieces(counter, text, piece_characters=500) == counter.count(text)


@given(st.text(st.sampled_from("aA1 .\n'ü漢🎉x"), max_size=400), st.integers(5, 60))
def test_pieces_never_count_less_than_the_whole(text: str, piece: int) -> None:
    counter = tokenizer("o200k_base")
    assert count_pieces(counter, text, piece_characters=piece) >= counter.count(text)


def test_a_long_text_without_words_is_cut_all_the_same() -> None:
    counter = tokenizer("o200k_base")
    text = "a" * (PIECE_CHARACTERS * 3)
    assert counter.count(text) <= count_pieces(counter, text) <= counter.count(text) + 20


# --- images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "size", "detail", "documented"),
    [
        # OpenAI, "Images and vision", examples of "Calculating costs".
        ("gpt-4o", (1024, 1024), "high", 765),
        ("gpt-4o", (2048, 4096), "high", 1_105),
        ("gpt-4o", (4096, 8192), "low", 85),
        ("gpt-4o", (768, 768), None, 765),
        ("gpt-4o", (20_000, 20), "auto", 1_445),
        ("gpt-4o", None, None, 1_445),
        ("gpt-4o-mini", (1024, 1024), "high", 2_833 + 4 * 5_667),
        ("o1", (1024, 1024), "high", 675),
        ("gpt-5", (1024, 1024), "high", 630),
        ("gpt-4.1-mini", (1024, 1024), None, 1_659),
        ("o4-mini", (1024, 1024), None, 1_762),
        ("gpt-4.1-nano", None, None, 6_150),
        ("gpt-5.5", None, "high", 4_050),
        ("gpt-5.5", None, None, 16_200),
        # Anthropic, "Vision": patches of 28 pixels, and the older width x height / 750, whichever is more.
        ("claude-sonnet-4-5", (200, 200), None, 64),
        ("claude-sonnet-4-5", (1000, 1000), None, 1_334),
        ("claude-sonnet-4-5", (8000, 8000), None, 1_640),
        ("claude-sonnet-4-5", None, None, 1_640),
        ("claude-opus-4-7", (1000, 1000), None, 1_334),
        ("claude-opus-4-7", None, None, 5_005),
        # Anybody else.
        ("gemini-2.5-flash", (100, 100), None, 6_404),
        ("gemini-2.5-flash", None, None, 16_384),
    ],
)
def test_images(model: str, size: tuple[int, int] | None, detail: str | None, documented: int) -> None:
    bound = image_token_bound(priced(model).facts, ImageSize(*size) if size else None, detail)
    assert bound == documented + SLACK_TOKENS


@given(
    st.sampled_from(["gpt-4o", "gpt-4o-mini", "gpt-4.1-mini", "gpt-5.5", "o3", "claude-opus-4-7", "gemini-2.5-pro"]),
    st.integers(1, 20_000),
    st.integers(1, 20_000),
    st.sampled_from([None, "low", "high", "auto", "original"]),
)
def test_no_image_is_above_the_maximum(model: str, width: int, height: int, detail: str | None) -> None:
    facts = priced(model).facts
    assert 0 < image_token_bound(facts, ImageSize(width, height), detail) <= image_token_bound(facts, None, detail)


def _png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\x00\x00\x00"


def _jpeg(width: int, height: int, metadata: int = 30) -> bytes:
    app = b"\xff\xe1" + struct.pack(">H", metadata + 2) + b"\xff\xc0" * (metadata // 2)
    return b"\xff\xd8" + app + b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" * 10


def _webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\x00\x00\x00\x00WEBP" + kind + struct.pack("<I", len(body)) + body + bytes(10)


HEADERS = [
    _png(640, 480),
    b"GIF89a" + struct.pack("<HH", 640, 480) + b"\x00",
    _jpeg(640, 480),
    _webp(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
    _webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)),
    _webp(b"VP8X", b"\x00\x00\x00\x00" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")),
]


@pytest.mark.parametrize("data", HEADERS)
def test_sizes_are_read_from_headers(data: bytes) -> None:
    assert image_size(data) == (640, 480)
    assert inline_image_size("data:image/whatever;base64," + b64encode(data).decode()) == (640, 480)


def test_a_size_behind_much_metadata_is_found() -> None:
    app = b"\xff\xe2" + struct.pack(">H", 65_535) + bytes(65_533)
    photograph = b"\xff\xd8" + app * 4 + _jpeg(640, 480)[2:] + bytes(100_000)
    assert inline_image_size(b64encode(photograph).decode()) == (640, 480)


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7", _png(0, 480), b"\xff\xd8\xff\xd9", b"\xff\xd8\x00\x00" + bytes(20), HEADERS[0][:14]]
)
def test_what_cannot_be_read_has_no_size(data: bytes) -> None:
    assert image_size(data) is None


def test_what_is_not_base64_has_no_size() -> None:
    assert inline_image_size("data:image/png;base64,%%%") is None
    assert inline_image_size("a") is None
    assert inline_image_size("") is None


@given(st.sampled_from(HEADERS), st.binary(max_size=40), st.integers(0, 40))
def test_no_bytes_are_a_fault(header: bytes, rest: bytes, cut: int) -> None:
    image_size(header[:cut] + rest)
    image_size(b"\xff\xd8\xff" + rest)
    inline_image_size(b64encode(rest).decode()[:cut])


# --- audio, references, overhead -------------------------------------------------------------------------------------


def _wav(seconds: int, *, rate: int = 24_000, bits: int = 16, channels: int = 1) -> bytes:
    width = channels * bits // 8
    body = bytes(seconds * rate * width)
    layout = struct.pack("<HHIIHH", 1, channels, rate, rate * width, width, bits)
    return b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + layout + b"data" + struct.pack("<I", len(body)) + body


def test_audio_counts_by_the_second() -> None:
    facts = priced("gpt-audio").facts
    assert audio_token_bound(facts, _wav(10), "wav") == (10 + 1 + 1) * 10
    assert audio_token_bound(facts, _wav(10, channels=2, bits=8, rate=8_000), "wav") == 120
    assert audio_token_bound(facts, bytes(10_000), "mp3") == 110
    assert audio_token_bound(facts, bytes(10_000), "opus") == 210
    assert audio_token_bound(facts, b"RIFF", "wav") == 20


def test_a_wav_header_without_a_rate_is_not_believed() -> None:
    broken = _wav(1, rate=24_000)
    broken = broken[:24] + bytes(4) + broken[28:]
    assert audio_token_bound(priced("gpt-audio").facts, broken, "wav") == (48_044 // 1_600 + 2) * 10


def test_audio_that_is_charged_by_the_hour_has_no_bound() -> None:
    assert audio_token_bound(priced("mistral:voxtral-small-24b-2507").facts, bytes(10), "mp3") is None


def test_an_opaque_reference_is_a_whole_context() -> None:
    assert opaque_reference_tokens(priced("gpt-4o").facts) == 140_800
    assert opaque_reference_tokens(priced("chatgpt-image-latest").facts) is None


def test_overhead_grows_with_what_is_sent() -> None:
    plain = overhead_tokens(OPENAI, messages=1)
    assert plain >= 3 + 3 + 1
    assert overhead_tokens(OPENAI, messages=2) > plain
    assert overhead_tokens(OPENAI, messages=1, tools=1) > plain
    assert overhead_tokens(CLAUDE, messages=1, tools=1) >= 530
    assert overhead_tokens(CLAUDE, messages=1, provider_tools=1) >= 346 + 735 + 499
