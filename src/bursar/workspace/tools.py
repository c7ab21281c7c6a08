"""What an agent can do: look into the thread's documents, compute, and see what its person may see of the budget.

Results are text for a model. What a model gets wrong (a document that is not there, a page too far) is told to it, so
that it can do better; nothing here raises for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from bursar.foundation.database import Database
from bursar.workspace import document_store
from bursar.workspace.arithmetic import NotComputable, compute

MOST_PAGES_AT_ONCE: Final = 5
MOST_CHARACTERS: Final = 16_000
"""Of one result: what a model is sent is paid for, again with every step."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of one run. `balance` answers as `GET /v1/balance` does for this person."""

    database: Database
    mandate_id: UUID
    thread_id: UUID
    balance: Callable[[], Awaitable[Any]]

    async def list_documents(self) -> str:
        """List the documents of this conversation with their number of pages."""
        documents = await self._documents()
        return _json(
            [
                {"name": each.name, "type": each.media_type, "pages": each.pages, "characters": each.characters}
                for each in documents
            ]
        )

    async def search_documents(self, query: str) -> str:
        """Find pages of the documents that contain words of the query, best first, with a passage of each.

        Args:
            query: Words to look for, in the language of the documents.
        """
        async with self.database.as_mandate(self.mandate_id) as connection:
            hits = await document_store.search(connection, self.mandate_id, self.thread_id, query)
        return _json([{"document": hit.name, "page": hit.page, "passage": hit.passage} for hit in hits])

    async def read_document(self, name: str, first_page: int = 1, last_page: int | None = None) -> str:
        """Read pages of a document, five at most at a time.

        Args:
            name: The document's name, as it is listed.
            first_page: The first page to read; pages count from 1.
            last_page: The last page to read; the same as the first if left out.
        """
        documents = await self._documents()
        document = next((each for each in documents if each.name.casefold() == name.strip().casefold()), None)
        if document is None:
            return _json({"error": f"There is no document '{name[:100]}'.", "documents": [d.name for d in documents]})
        last = first_page if last_page is None else last_page
        if not 1 <= first_page <= last or first_page > document.pages:
            return _json({"error": f"Pages of this document go from 1 to {document.pages}."})
        last = min(last, document.pages, first_page + MOST_PAGES_AT_ONCE - 1)
        async with self.database.as_mandate(self.mandate_id) as connection:
            pages = await document_store.read_pages(
                connection, self.mandate_id, self.thread_id, document.document_id, first_page, last
            )
        read, left = [], MOST_CHARACTERS
        for number, text in pages:
            read.append({"page": number, "text": text[:left], **({"cut": True} if len(text) > left else {})})
            left -= len(text)
            if left <= 0:
                break
        return _json({"document": document.name, "of_pages": document.pages, "pages": read})

    async def compute(self, expression: str) -> str:
        """Work out an arithmetic expression exactly, such as `(1250.50 - 980) * 1.081`.

        Args:
            expression: Numbers, + - * / // % **, parentheses, and abs, ceil, exp, factorial, floor, log, log10, max,
                mean, min, round, sqrt, sum, pi, e.
        """
        try:
            return _json({"expression": expression, "value": compute(expression)})
        except NotComputable as error:
            return _json({"error": str(error)})

    async def tell_budget(self) -> str:
        """Tell who pays for this conversation and what is left, as far as the person may know it."""
        return _json(await self.balance())

    def all(self) -> tuple[Callable[..., Awaitable[str]], ...]:
        return (self.list_documents, self.search_documents, self.read_document, self.compute, self.tell_budget)

    async def _documents(self) -> list[document_store.Document]:
        async with self.database.as_mandate(self.mandate_id) as connection:
            return await document_store.list_documents(connection, self.mandate_id, self.thread_id)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
