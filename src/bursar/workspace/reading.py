"""From an uploaded file to pages of text. Text, Markdown and CSV here; PDF in a process of its own (`pdf_text`).

Text has no pages: it is cut into pieces of a few thousand characters, at the end of a paragraph or line where there is
one, so that a tool can be answered with a part.
"""

from __future__ import annotations

import asyncio
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import orjson

from bursar.workspace.texts import DocumentTrouble

MOST_BYTES: Final = 10_000_000
MOST_CHARACTERS: Final = 2_000_000
MOST_PAGES: Final = 2_000
PIECE_CHARACTERS: Final = 3_000
LONGEST_NAME: Final = 200
_PDF_SECONDS: Final = 60.0

MEDIA_TYPES: Final = {
    ".txt": "text/plain",
    ".text": "text/plain",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".pdf": "application/pdf",
}
_ENCODINGS: Final = ("utf-8-sig", "utf-16", "cp1252")


class Unreadable(Exception):
    """Why a file cannot become a document."""

    def __init__(self, trouble: DocumentTrouble, most: str = "") -> None:
        super().__init__(trouble)
        self.trouble = trouble
        self.most = most


@dataclass(frozen=True, slots=True)
class ReadDocument:
    name: str
    media_type: str
    size_bytes: int
    pages: Sequence[str]

    @property
    def characters(self) -> int:
        return sum(map(len, self.pages))


async def read_document(name: str, media_type: str | None, content: bytes) -> ReadDocument:
    """The text of a file. Raises `Unreadable`."""
    if len(content) > MOST_BYTES:
        raise Unreadable("document_too_large", f"{MOST_BYTES // 1_000_000} MB")
    name = _clean_name(name)
    kind = _media_type(name, media_type, content)
    if kind == "application/pdf":
        pages = await _pdf_pages(content)
    else:
        pages = await asyncio.to_thread(_text_pages, kind, content)
    if not any(page.strip() for page in pages):
        raise Unreadable("document_empty")
    if len(pages) > MOST_PAGES or sum(map(len, pages)) > MOST_CHARACTERS:
        raise Unreadable("document_too_large", f"{MOST_CHARACTERS:,}".replace(",", "’") + " characters")
    return ReadDocument(name, kind, len(content), pages)


def _clean_name(name: str) -> str:
    plain = PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(letter for letter in plain if letter.isprintable()).strip()
    return shown[-LONGEST_NAME:] or "document"


def _media_type(name: str, given: str | None, content: bytes) -> str:
    """By what it is, then by its name; what the client says counts for a name without an ending."""
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    ending = PurePosixPath(name.lower()).suffix
    plain = (given or "").partition(";")[0].strip().lower()
    found = MEDIA_TYPES.get(ending) if ending else plain if plain in MEDIA_TYPES.values() else None
    if found is None:
        raise Unreadable("document_type")
    if found == "application/pdf":
        raise Unreadable("document_unreadable")
    return found


def _text_pages(kind: str, content: bytes) -> list[str]:
    text = _decoded(content)
    if kind == "text/csv":
        return list(_table_pieces(text))
    return list(_pieces(text))


def _decoded(content: bytes) -> str:
    """Raises `Unreadable` for what is no text."""
    for encoding in _ENCODINGS:
        if encoding == "utf-16" and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            continue
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise Unreadable("document_unreadable")


def _pieces(text: str) -> Iterator[str]:
    while len(text) > PIECE_CHARACTERS:
        window = text[:PIECE_CHARACTERS]
        end = max(window.rfind("\n\n") + 2, 1)
        if end < PIECE_CHARACTERS // 2:
            end = max(window.rfind("\n") + 1, window.rfind(" ") + 1)
        if end < PIECE_CHARACTERS // 2:
            end = PIECE_CHARACTERS
        yield text[:end]
        text = text[end:]
    if text:
        yield text


def _table_pieces(text: str) -> Iterator[str]:
    """Rows by lines, each piece with the head of the table, since a row says nothing without it."""
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [" | ".join(cell.strip() for cell in row) for row in csv.reader(io.StringIO(text), dialect) if row]
    except csv.Error as error:
        raise Unreadable("document_unreadable") from error
    if not rows:
        return
    head, piece = rows[0], [rows[0]]
    size = len(head)
    for row in rows[1:]:
        if size + len(row) > PIECE_CHARACTERS and len(piece) > 1:
            yield "\n".join(piece)
            piece, size = [head], len(head)
        piece.append(row)
        size += len(row) + 1
    yield "\n".join(piece)


async def _pdf_pages(content: bytes) -> list[str]:
    """By a process with bounds on its time and memory: a PDF is a program, and it is a stranger's."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bursar.workspace.pdf_text",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PDF_SECONDS):
            told, _ = await process.communicate(content)
    except TimeoutError:
        raise Unreadable("document_unreadable") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise Unreadable("document_unreadable")
    pages: list[str] = orjson.loads(told)
    return [piece for page in pages for piece in ([page] if len(page) <= 2 * PIECE_CHARACTERS else _pieces(page))]
