"""What somebody finds in the application: the items of their inbox, in their language, and live as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from bursar.billing.refusal import billing_url
from bursar.billing.texts import choose_language, quotable
from bursar.foundation.database import Database
from bursar.identity.pages import cursor_parts, make_cursor
from bursar.identity.principal import MandateFacts, Person
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.figures import Figures
from bursar.notices.kinds import TOP_UP_APPROVED, TOP_UP_DECLINED
from bursar.notices.mail import sheet_of
from bursar.notices.webhooks import DISABLED
from bursar.notices.wording import MailFacts

if TYPE_CHECKING:
    from bursar.notices.store import Row

_LIST: Final = """
    SELECT item_id, kind, account_id, payload, created_at, read_at FROM inbox_item
     WHERE mandate_id = $1 AND user_id = $2 AND (read_at IS NULL OR NOT $3)
       AND ($4::timestamptz IS NULL OR (created_at, item_id) < ($4, $5::uuid))
     ORDER BY created_at DESC, item_id DESC LIMIT $6
"""
_SINCE: Final = """
    SELECT item_id, kind, account_id, payload, created_at, read_at FROM inbox_item
     WHERE mandate_id = $1 AND user_id = $2 AND (created_at, item_id) > ($3, $4::uuid)
     ORDER BY created_at, item_id LIMIT 100
"""
_READ: Final = """
    UPDATE inbox_item SET read_at = now()
     WHERE mandate_id = $1 AND user_id = $2 AND ($3::uuid IS NULL OR item_id = $3) AND read_at IS NULL
    RETURNING item_id
"""
_DECISIONS: Final = {
    TOP_UP_APPROVED.name: ("approved.event", "approved.lead.pool"),
    TOP_UP_DECLINED.name: ("declined.event", "declined.lead.pool"),
    DISABLED: ("disabled.event", "disabled.lead"),
}
NO_ID: Final = UUID(int=0)
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class InboxItem:
    """`title` and `text` are in the reader's language."""

    item_id: UUID
    kind: str
    created_at: datetime
    read_at: datetime | None
    title: str
    text: str

    @property
    def cursor(self) -> str:
        """Where a list or a stream goes on."""
        return make_cursor(self.created_at, self.item_id)


@dataclass(frozen=True, slots=True)
class Inbox:
    """One person's, in one mandate."""

    database: Database
    mandate: MandateFacts
    person: Person
    public_url: str

    async def items(
        self, *, unread: bool = False, before: tuple[datetime | None, UUID | None] = (None, None), limit: int = 50
    ) -> list[InboxItem]:
        """The newest first."""
        async with self.database.as_mandate(self.mandate.mandate_id) as connection:
            rows = await connection.fetch(_LIST, *self._whose, unread, *before, limit)
        return [self._item(row) for row in rows]

    async def mark_read(self, item_id: UUID | None = None) -> int:
        """One item, or all; answers how many had been unread."""
        async with self.database.as_mandate(self.mandate.mandate_id) as connection:
            return len(await connection.fetch(_READ, *self._whose, item_id))

    async def live(
        self, cursor: str | None = None, *, poll_seconds: float = 2.0
    ) -> AsyncGenerator[Sequence[InboxItem]]:
        """What comes after `cursor`, without end; an empty list where nothing came.

        Raises a 422 `Problem` for what is no cursor.
        """
        at, item_id = cursor_parts(cursor)
        if at is None:
            newest = await self.items(limit=1)
            at, item_id = (newest[0].created_at, newest[0].item_id) if newest else (_LONG_AGO, NO_ID)
        while True:
            async with self.database.as_mandate(self.mandate.mandate_id) as connection:
                rows = await connection.fetch(_SINCE, *self._whose, at, item_id)
            if rows:
                at, item_id = rows[-1]["created_at"], rows[-1]["item_id"]
            yield [self._item(row) for row in rows]
            await asyncio.sleep(poll_seconds)

    @property
    def _whose(self) -> tuple[UUID, UUID]:
        return self.mandate.mandate_id, self.person.user_id

    def _item(self, row: Row) -> InboxItem:
        title, text = self._texts(row)
        return InboxItem(row["item_id"], row["kind"], row["created_at"], row["read_at"], title, text)

    def _texts(self, row: Row) -> tuple[str, str]:
        mandate = self.mandate
        language = choose_language(None, self.person.language, mandate.language)
        if row["kind"] in _DECISIONS:
            event, lead = (CATALOGUES[language][key] for key in _DECISIONS[row["kind"]])
            url = quotable(str(row["payload"].get("url", "")), 200)
            return event, lead.format(mandate=quotable(mandate.name), url=url)
        facts = MailFacts(
            kind=row["kind"],
            language=language,
            mandate_id=mandate.mandate_id,
            mandate_name=mandate.name,
            currency=mandate.currency,
            time_zone=mandate.time_zone,
            billing_model=mandate.billing_model,
            account_id=row["account_id"],
            figures=Figures.from_json(row["payload"]),
            user_name=None,
            key_name=None,
            cooldown_seconds=3600,
            top_up_url=billing_url(self.public_url, mandate.mandate_id),
        )
        sheet = sheet_of(facts, language)
        return sheet.event, " ".join(part for part in (sheet.lead, sheet.detail, sheet.action) if part)
