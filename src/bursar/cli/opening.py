"""What every command begins with: the settings, an open database, a ledger, the mandate that is meant."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from bursar.foundation.database import Database, open_database
from bursar.foundation.logs import configure_logs
from bursar.foundation.origin import acting_as
from bursar.foundation.settings import Settings, load_settings, unknown_variables
from bursar.identity.mandates import Mandate, list_mandates
from bursar.ledger.engine import Ledger
from bursar.notices.rider import NoticeRider

ACTOR = "command line"


def settings_of(data_dir: Path | None = None, config: Path | None = None, **overrides: Any) -> Settings:
    """Settings for this command, logs set up. Raises `SettingsError`."""
    settings = load_settings(config_path=config, data_dir=data_dir, **overrides)
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    for name in unknown_variables(os.environ):
        print(f"bursar: {name} is no setting of Bursar's and is ignored", file=sys.stderr)
    return settings


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database, started or joined, migrated if need be; what is changed there was changed by the command line."""
    acting_as(ACTOR)
    async with open_database(settings) as database:
        yield database


@asynccontextmanager
async def opened_ledger(database: Database) -> AsyncIterator[Ledger]:
    """A ledger of this command's own; a top-up ends shortages and withdraws mails as it does anywhere."""
    ledger = Ledger(database.engine_pool, rider=NoticeRider())
    await ledger.start()
    try:
        yield ledger
    finally:
        await ledger.stop()


async def mandate_meant(database: Database, text: str) -> Mandate:
    """The mandate by its id, by the first characters of it, or by its name. Raises `ValueError` if that is not one."""
    found = [mandate async for mandate in all_mandates(database) if _means(mandate, text)]
    if len(found) == 1:
        return found[0]
    what = "no mandate" if not found else f"{len(found)} mandates"
    raise ValueError(f"{what} with the id or name {text!r}: see `bursar mandate list`")


async def all_mandates(database: Database) -> AsyncIterator[Mandate]:
    cursor: str | None = None
    while True:
        page = await list_mandates(database, cursor=cursor)
        for mandate in page.items:
            yield mandate
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def _means(mandate: Mandate, text: str) -> bool:
    mandate_id = str(mandate.mandate_id)
    return mandate.name == text or (len(text) >= 4 and mandate_id.startswith(text.lower()))


def as_uuid(text: str, what: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError(f"{what}: {text!r} is no id") from None
