"""A mandate's billing settings: what it pays, on which terms, and whom to tell. For the routes and the command line.

What the mandate owes is the operator's to say; whom to tell, and how calls are treated, is finance's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson

from bursar.foundation.database import Connection, Database
from bursar.foundation.problems import invalid_field
from bursar.identity.access import not_found
from bursar.identity.email_address import checked_email
from bursar.identity.mandates import changed_meanwhile
from bursar.identity.principal import BillingModelName, ClientGone
from bursar.identity.revision import note_change

MOST_NOTIFY_EMAILS: Final = 50
NOTIFY_EMAILS: Final = "notifyEmails"

TERMS: Final = frozenset(
    {"billing_model", "credit_limit_nanos", "markup_percent", "allowed_models"}
    | {"max_calls_per_minute", "max_concurrent_calls", "max_held_nanos"}
)
"""What the mandate pays and owes, and how much of the installation it may take: changed by operators only."""

_SELECT: Final = """
    SELECT billing_model, credit_limit_nanos, markup_percent, allowed_models, notify_emails, notify_cooldown_seconds,
           notify_wallet_exhausted, low_balance_threshold_nanos, exhausted_below_nanos, max_hold_share_percent,
           client_gone, users_on_first_sight, language, max_calls_per_minute, max_concurrent_calls, max_held_nanos,
           version
      FROM billing_settings WHERE mandate_id = $1"""

_LOCK: Final = """
    SELECT billing_model, credit_limit_nanos, markup_percent, allowed_models, notify_emails, notify_cooldown_seconds,
           notify_wallet_exhausted, low_balance_threshold_nanos, exhausted_below_nanos, max_hold_share_percent,
           client_gone, users_on_first_sight, language, max_calls_per_minute, max_concurrent_calls, max_held_nanos,
           version
      FROM billing_settings WHERE mandate_id = $1
       FOR UPDATE"""

_UPDATE: Final = """
    UPDATE billing_settings
       SET billing_model = $2, credit_limit_nanos = $3, markup_percent = $4, allowed_models = $5, notify_emails = $6,
           notify_cooldown_seconds = $7, notify_wallet_exhausted = $8, low_balance_threshold_nanos = $9,
           exhausted_below_nanos = $10, max_hold_share_percent = $11, client_gone = $12, users_on_first_sight = $13,
           language = $14, max_calls_per_minute = $15, max_concurrent_calls = $16, max_held_nanos = $17, version = $18
     WHERE mandate_id = $1"""

_PERCENT: Final = re.compile(r"-?[0-9]{1,5}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class BillingSettings:
    """The row, in the order of its statements."""

    billing_model: BillingModelName
    credit_limit_nanos: int | None
    markup_percent: Decimal | None
    allowed_models: tuple[str, ...] | None
    notify_emails: tuple[str, ...]
    notify_cooldown_seconds: int
    notify_wallet_exhausted: bool
    low_balance_threshold_nanos: int | None
    exhausted_below_nanos: int | None
    max_hold_share_percent: int
    client_gone: ClientGone
    users_on_first_sight: bool
    language: str | None
    max_calls_per_minute: int | None
    max_concurrent_calls: int | None
    max_held_nanos: int | None
    version: int


async def get_settings(database: Database, mandate_id: UUID) -> BillingSettings:
    """Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        return await _read(connection, _SELECT, mandate_id)


async def change_settings(
    database: Database, mandate_id: UUID, changes: Mapping[str, Any], *, if_version: int | None = None
) -> tuple[BillingSettings, BillingSettings]:
    """Changes what is given (names as in `BillingSettings`); the settings before and after.

    Raises a 404, 412 or 422 `Problem`. Open holds settle on the terms of their admission.
    """
    async with database.as_mandate(mandate_id) as connection:
        before = await _read(connection, _LOCK, mandate_id)
        if if_version is not None and if_version != before.version:
            raise changed_meanwhile()
        after = replace(before, **changes)
        if after.billing_model == "POSTPAY" and after.credit_limit_nanos is None:
            raise invalid_field("creditLimit", "is required with POSTPAY: how far below zero the pool may go")
        if after != before:
            after = replace(after, version=before.version + 1)
            await connection.execute(_UPDATE, mandate_id, *asdict(after).values())
            await note_change(connection, mandate_id)
    return before, after


async def _read(connection: Connection, statement: str, mandate_id: UUID) -> BillingSettings:
    row = await connection.fetchrow(statement, mandate_id)
    if row is None:
        raise not_found()
    models = row["allowed_models"]
    lists = {
        "allowed_models": None if models is None else tuple(models),
        "notify_emails": tuple(row["notify_emails"]),
    }
    return BillingSettings(**{**dict(row), **lists})


def read_notify_emails(value: object, field: str = NOTIFY_EMAILS) -> tuple[str, ...]:
    """The addresses in a list, a JSON array in a string, or one address in a string; distinct, in their order.

    `None` and the empty string are no address at all. Raises a 422 `Problem` that names the address.
    """
    addresses: dict[str, str] = {}
    for entry in _entries(value, field):
        if not isinstance(entry, str):
            raise invalid_field(field, "must hold e-mail addresses and nothing else")
        address = checked_email(entry, field)
        addresses.setdefault(address.casefold(), address)
    if len(addresses) > MOST_NOTIFY_EMAILS:
        raise invalid_field(field, f"must not have more than {MOST_NOTIFY_EMAILS} addresses")
    return tuple(addresses.values())


def _entries(value: object, field: str) -> list[object]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        raise invalid_field(field, "must be a list of e-mail addresses")
    text = value.strip()
    if not text.startswith("["):
        return [text] if text else []
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise invalid_field(field, "looks like a JSON array, but is none") from None
    assert isinstance(found, list)
    return found


def read_percent(value: object, field: str) -> Decimal:
    """A percentage as a decimal string, above -100. Raises a 422 `Problem`."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _PERCENT.fullmatch(text):
        raise invalid_field(field, 'must be a decimal string with at most six decimals, such as "12.5"')
    percent = Decimal(text)
    if percent <= -100:
        raise invalid_field(field, "must be above -100")
    return percent


def format_percent(percent: Decimal) -> str:
    """Without needless zeros: `12.5`."""
    return f"{percent.normalize():f}"
