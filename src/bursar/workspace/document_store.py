"""Documents of a thread in the database: their pages, and finding words in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.identity.access import not_found
from bursar.workspace.reading import ReadDocument, Unreadable

MOST_DOCUMENTS: Final = 20
MOST_HITS: Final = 8
_MOST_WORDS: Final = 16

_LIST: Final = """
    SELECT document_id, name, media_type, size_bytes, characters, pages, created_at
      FROM workspace_document WHERE mandate_id = $1 AND thread_id = $2 ORDER BY created_at, document_id"""
_ADD: Final = """
    INSERT INTO workspace_document (mandate_id, thread_id, document_id, name, media_type, size_bytes, characters, pages)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
_ADD_PAGES: Final = """
    INSERT INTO workspace_page (mandate_id, thread_id, document_id, number, text)
    SELECT $1, $2, $3, number, text FROM unnest($4::text[]) WITH ORDINALITY AS page (text, number)"""
# Several uploads at once must not pass the limit together.
_LOCK: Final = "SELECT FROM workspace_thread WHERE mandate_id = $1 AND thread_id = $2 FOR UPDATE"
_DELETE: Final = """
    DELETE FROM workspace_document WHERE mandate_id = $1 AND thread_id = $2 AND document_id = $3 RETURNING 1"""
_SEARCH: Final = """
    SELECT d.document_id, d.name, p.number, ts_rank(p.words, q) AS rank,
           ts_headline('simple', p.text, q, 'StartSel="", StopSel="", MaxFragments=2, MaxWords=35, MinWords=15')
               AS shown
      FROM workspace_page p
      JOIN workspace_document d USING (mandate_id, thread_id, document_id), to_tsquery('simple', $3) q
     WHERE p.mandate_id = $1 AND p.thread_id = $2 AND p.words @@ q
     ORDER BY rank DESC, d.created_at, p.number LIMIT $4"""
_READ: Final = """
    SELECT number, text FROM workspace_page
     WHERE mandate_id = $1 AND thread_id = $2 AND document_id = $3 AND number BETWEEN $4 AND $5 ORDER BY number"""


@dataclass(frozen=True, slots=True)
class Document:
    document_id: UUID
    name: str
    media_type: str
    size_bytes: int
    characters: int
    pages: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Hit:
    """A page on which words were found."""

    name: str
    page: int
    passage: str


async def list_documents(connection: Connection, mandate_id: UUID, thread_id: UUID) -> list[Document]:
    return [Document(**dict(row)) for row in await connection.fetch(_LIST, mandate_id, thread_id)]


async def add_document(connection: Connection, mandate_id: UUID, thread_id: UUID, read: ReadDocument) -> Document:
    """Raises `Unreadable` where the thread has too many. Of two of the same name the second is numbered."""
    await connection.execute(_LOCK, mandate_id, thread_id)
    there = await list_documents(connection, mandate_id, thread_id)
    if len(there) >= MOST_DOCUMENTS:
        raise Unreadable("too_many_documents", str(MOST_DOCUMENTS))
    document_id = new_id()
    name = _free_name(read.name, {document.name for document in there})
    about = (name, read.media_type, read.size_bytes, read.characters, len(read.pages))
    await connection.execute(_ADD, mandate_id, thread_id, document_id, *about)
    await connection.execute(_ADD_PAGES, mandate_id, thread_id, document_id, list(read.pages))
    documents = await list_documents(connection, mandate_id, thread_id)
    return next(document for document in documents if document.document_id == document_id)


def _free_name(name: str, taken: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    candidates = (f"{stem} ({number}){dot}{suffix}" if dot else f"{name} ({number})" for number in range(2, 99))
    return name if name not in taken else next(each for each in candidates if each not in taken)


async def delete_document(connection: Connection, mandate_id: UUID, thread_id: UUID, document_id: UUID) -> None:
    """Raises a 404 `Problem`."""
    if await connection.fetchval(_DELETE, mandate_id, thread_id, document_id) is None:
        raise not_found("document")


def text_query(words: str) -> str | None:
    """What PostgreSQL is asked for: any of the words, or longer ones that begin so. `None` for no words."""
    found = list(dict.fromkeys(re.findall(r"\w+", words.lower())))
    telling = [word for word in found if len(word) > 2] or found
    return " | ".join(f"'{word}':*" for word in telling[:_MOST_WORDS]) or None


async def search(connection: Connection, mandate_id: UUID, thread_id: UUID, words: str) -> list[Hit]:
    """The pages that have most of the words, best first."""
    query = text_query(words)
    if query is None:
        return []
    rows = await connection.fetch(_SEARCH, mandate_id, thread_id, query, MOST_HITS)
    return [Hit(row["name"], row["number"], row["shown"]) for row in rows]


async def read_pages(
    connection: Connection, mandate_id: UUID, thread_id: UUID, document_id: UUID, first: int, last: int
) -> Sequence[tuple[int, str]]:
    rows = await connection.fetch(_READ, mandate_id, thread_id, document_id, first, last)
    return [(row["number"], row["text"]) for row in rows]
