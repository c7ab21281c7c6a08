"""The demo: a mandate, two people, a model that says it is a demo, new keys and a full pool at each start."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from bursar.billing.balances import get_balance
from bursar.billing.money_in import post_money
from bursar.billing.settings import change_settings
from bursar.foundation.database import Database
from bursar.foundation.secrets import Secrets
from bursar.foundation.settings import ModelPriceSettings, Settings, SettingsError, UpstreamSettings
from bursar.identity.key_store import create_key, list_keys, revoke_key
from bursar.identity.mandates import Mandate, create_mandate, list_mandates
from bursar.identity.principal import Role
from bursar.identity.sign_in.links import make_link
from bursar.identity.users import User, add_user, list_users
from bursar.ledger.engine import Ledger
from bursar.ledger.model import TransferKind

MODEL: Final = "demo-1"
NAME: Final = "Demo AG"
POOL_NANOS: Final = 50_000_000
"""0.05: enough for some dozen calls, and little enough that everybody sees what happens when the money ends."""
EXHAUSTED_BELOW_NANOS: Final = 2_000_000
PEOPLE: Final[tuple[tuple[str, str, Role], ...]] = (
    ("anna@demo.example", "Anna Muster", "owner"),
    ("beat@demo.example", "Beat Beispiel", "member"),
)
FINANCE: Final = "finance@demo.example"
_KEY_NAME: Final = "demo"
_ACTOR: Final = "demo"


LINK_LIFETIME: Final = timedelta(hours=12)
"""Longer than a link that is mailed: who looks at the demo may be called away in the middle of it."""


@dataclass(frozen=True, slots=True)
class Demo:
    mandate: Mandate
    keys: tuple[tuple[User, str], ...]
    links: tuple[str, ...]
    """One for each of these people, to sign in with; none where a provider says who somebody is."""


def check_loopback(settings: Settings) -> None:
    """The demo prints keys and makes money out of nothing: only for this machine. Raises `SettingsError`."""
    try:
        loopback = settings.host == "localhost" or ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError("BURSAR_HOST", f"--demo listens on this machine only (127.0.0.1), not on {settings.host}")


def with_demo_upstream(settings: Settings, base_url: str) -> Settings:
    """`settings` with the demo's upstream and its price."""
    upstream = UpstreamSettings(name="demo", dialect="openai", base_url=base_url, models=("demo-*",))
    messages = UpstreamSettings(name="demo-messages", dialect="anthropic", base_url=base_url, models=("demo-*",))
    price = ModelPriceSettings(
        model=MODEL,
        currency="CHF",
        input_per_million=Decimal("1.00"),
        output_per_million=Decimal("4.00"),
        context_window=128_000,
        max_output_tokens=16_000,
        reasoning=False,
    )
    pricing = replace(settings.pricing, models=(price, *settings.pricing.models))
    return replace(settings, upstreams=(upstream, messages, *settings.upstreams), pricing=pricing)


async def prepare_demo(database: Database, secrets: Secrets, *, public_url: str, has_providers: bool) -> Demo:
    """The demo's mandate and people, made if they are not there, with new keys and links and a full pool."""
    mandate = await _mandate(database)
    people = {user.email: user for user in (await list_users(database, mandate.mandate_id)).items}
    for email, name, role in PEOPLE:
        if email not in people:
            people[email] = await add_user(
                database, mandate.mandate_id, email=email, display_name=name, role=role, language="en"
            )
    for old in (await list_keys(database, mandate.mandate_id)).items:
        if old.name == _KEY_NAME and old.revoked_at is None:
            await revoke_key(database, mandate.mandate_id, old.key_id)
    keys = []
    for email, _, _ in PEOPLE:
        user = people[email]
        _, text = await create_key(
            database, mandate.mandate_id, kind="user", name=_KEY_NAME, created_by=_ACTOR, user_id=user.user_id
        )
        keys.append((user, text))
    await _refill(database, mandate.mandate_id)
    links = () if has_providers else tuple([await _link(database, secrets, public_url, user) for user, _ in keys])
    return Demo(mandate, tuple(keys), links)


async def _link(database: Database, secrets: Secrets, public_url: str, user: User) -> str:
    """As it would be mailed to them, without the mail."""
    async with database.as_operator() as connection:
        text = await make_link(connection, secrets, "mailbox", user.email, lifetime=LINK_LIFETIME)
    return f"{public_url}/auth/link?token={text}"


async def _mandate(database: Database) -> Mandate:
    cursor: str | None = None
    while True:
        page = await list_mandates(database, cursor=cursor)
        for mandate in page.items:
            if mandate.name == NAME and mandate.status == "active":
                return mandate
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    mandate = await create_mandate(database, name=NAME, language="en")
    changes = {
        "notify_emails": (FINANCE,),
        "exhausted_below_nanos": EXHAUSTED_BELOW_NANOS,
        # One call may hold all of so small a pool: nobody wants to see shortened answers first.
        "max_hold_share_percent": 100,
    }
    await change_settings(database, mandate.mandate_id, changes)
    return mandate


async def _refill(database: Database, mandate_id: UUID) -> None:
    pool = (await get_balance(database, mandate_id)).accounts[0]
    missing = POOL_NANOS - pool.posted_nanos
    if missing <= 0:
        return
    ledger = Ledger(database.engine_pool)
    await ledger.start()
    try:
        await post_money(
            database, ledger, mandate_id, TransferKind.TOP_UP, missing, actor=_ACTOR, reference="demo refill"
        )
    finally:
        await ledger.stop()


def lines(demo: Demo, settings: Settings) -> list[str]:
    """What to print: the people's links and keys, and a call that works when pasted."""
    url = f"http://{settings.host}:{settings.port}"
    text = [
        f"Demo mandate: {NAME}, {demo.mandate.mandate_id}; its pool holds CHF 0.05 again.",
        f"Demo model: {MODEL} (no AI, a fixed text). Mails go to {settings.mail_url}",
    ]
    text += [
        f"Sign in as {user.display_name}, {user.role} (works once): {link}"
        for (user, _), link in zip(demo.keys, demo.links, strict=False)
    ]
    text += [f"Key of {user.display_name} ({user.role}): {key}" for user, key in demo.keys]
    text += [
        "",
        "Try it:",
        "",
        f"  curl {url}/v1/chat/completions \\",
        f"    -H 'Authorization: Bearer {demo.keys[0][1]}' -H 'Content-Type: application/json' \\",
        f'    -d \'{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "Hello"}}]}}\'',
        "",
    ]
    return text
