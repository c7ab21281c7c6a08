"""Typefaces for PDF: Noto Sans, and FiraGO for scripts that it lacks (Arabic, Hebrew, Thai, Georgian).

Both come with the package `pymupdf-fonts` (SIL Open Font License), so a fresh machine has them. A character that
neither has, such as a Chinese one, is printed as a question mark, and the document says so.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pymupdf_fonts  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

MAIN: Final = "Noto Sans"
OTHERS: Final = "FiraGO"
REPLACEMENT: Final = "?"
_CODES: Final = {(MAIN, ""): "notos", (MAIN, "B"): "notosbo", (OTHERS, ""): "figo", (OTHERS, "B"): "figbo"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text as it can be printed."""

    text: str
    needs_others: bool
    replaced: bool


def fitted(text: str) -> Fitted:
    """The text in characters that the typefaces have, composed where Unicode has a composed form."""
    text = unicodedata.normalize("NFC", text)
    main, others = _characters(MAIN), _characters(OTHERS)
    foreign = {character for character in text if ord(character) not in main}
    missing = {character for character in foreign if ord(character) not in others}
    if missing:
        text = text.translate({ord(character): REPLACEMENT for character in missing})
    return Fitted(text, bool(foreign - missing), bool(missing))


def font_file(family: str, style: str) -> Path:
    """A TrueType file for fpdf2, which reads files only. `style` is `""` or `"B"`.

    Written when it is missing: whoever tidies up temporary files may have taken it. Safe in several threads.
    """
    path = _directory() / f"{_CODES[family, style]}.ttf"
    if not path.is_file():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(pymupdf_fonts.myfont(_CODES[family, style]))
        Path(file.name).replace(path)
    return path


@lru_cache(maxsize=1)
def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="bursar-fonts-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@lru_cache(maxsize=2)
def _characters(family: str) -> frozenset[int]:
    """What both weights of a family can print."""
    with TTFont(font_file(family, ""), lazy=True) as regular, TTFont(font_file(family, "B"), lazy=True) as bold:
        return frozenset(regular.getBestCmap()) & frozenset(bold.getBestCmap())
