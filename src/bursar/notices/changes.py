"""Hears which accounts have moved and which mandates have changed their terms, so that nobody looks at all of them."""

from __future__ import annotations

from itertools import islice
from typing import Final, TypeVar
from uuid import UUID

from bursar.foundation.database import Database
from bursar.identity.listener import Listener
from bursar.identity.revision import CHANNEL as IDENTITY_CHANNEL
from bursar.identity.revision import read_payload as read_identity_payload
from bursar.ledger.announcing import CHANNEL as MONEY_CHANNEL
from bursar.ledger.announcing import read_payload as read_money_payload

_Item = TypeVar("_Item")
MOST_REMEMBERED: Final = 100_000
"""Accounts that wait to be looked at. Beyond, it is left to the pages that are looked at in turn."""


class Changes:
    """`start`, then `stop`. What was heard is taken by one observer."""

    def __init__(self, database: Database) -> None:
        channels = {MONEY_CHANNEL: self._heard_money, IDENTITY_CHANNEL: self._heard_identity}
        self._listener = Listener(database, channels, self.doubt, name="notices")
        self._accounts: dict[tuple[UUID, UUID], None] = {}
        self._mandates: dict[UUID, None] = {}
        self._missed = True

    async def start(self) -> None:
        self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def wait_until_listening(self) -> None:
        await self._listener.listening.wait()

    def take_accounts(self) -> list[tuple[UUID, UUID]]:
        """Accounts whose money has moved."""
        taken, self._accounts = list(self._accounts), {}
        return taken

    def take_mandates(self, most: int) -> list[UUID]:
        """Mandates in which a setting, a user or a key has changed; those that have waited longest."""
        taken = list(islice(self._mandates, most))
        for mandate_id in taken:
            del self._mandates[mandate_id]
        return taken

    def doubt(self) -> None:
        """Some words may have got lost, or have not been followed."""
        self._missed = True

    def take_missed(self) -> bool:
        """Whether some words may have got lost since this was asked last."""
        missed, self._missed = self._missed, False
        return missed

    def _heard_money(self, payload: str) -> None:
        for account in read_money_payload(payload):
            self._remember(self._accounts, account)

    def _heard_identity(self, payload: str) -> None:
        if (read := read_identity_payload(payload)) is not None:
            self._remember(self._mandates, read[0])

    def _remember(self, waiting: dict[_Item, None], item: _Item) -> None:
        if len(waiting) < MOST_REMEMBERED:
            waiting[item] = None
        else:
            self._missed = True
