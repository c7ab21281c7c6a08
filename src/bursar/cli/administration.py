"""Mandates, users, keys, money and notices at a terminal: the management API's functions, called directly."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from bursar.billing.balances import get_balance
from bursar.billing.journal import Wanted, list_transfers
from bursar.billing.money_in import post_money
from bursar.billing.notice_list import list_notices
from bursar.billing.settings import get_settings
from bursar.cli.opening import ACTOR, all_mandates, as_uuid, mandate_meant, opened, opened_ledger, settings_of
from bursar.cli.output import run, show, show_one
from bursar.foundation.ids import new_id
from bursar.foundation.money import format_amount, parse_amount
from bursar.identity.key_store import KeyKind, create_key, revoke_key
from bursar.identity.mandates import Mandate, create_mandate
from bursar.identity.principal import BillingModelName, Role
from bursar.identity.users import add_user
from bursar.ledger.model import IdempotencyKey, TransferKind

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Embedded database, local mail, secret key.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
MandateName = Annotated[str, typer.Argument(help="The mandate's id, the beginning of it, or its name.")]

mandate_app = typer.Typer(help="Organisations whose calls are paid here.", no_args_is_help=True)
user_app = typer.Typer(help="People of a mandate.", no_args_is_help=True)
key_app = typer.Typer(help="API keys.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(mandate_app, name="mandate")
    app.add_typer(user_app, name="user")
    app.add_typer(key_app, name="key")
    app.command("top-up")(top_up)
    app.command("balance")(balance)
    app.command("transfers")(transfers)
    app.command("notices")(notices)


def _row(mandate: Mandate) -> dict[str, Any]:
    return {
        "id": str(mandate.mandate_id),
        "name": mandate.name,
        "currency": mandate.currency,
        "billingModel": mandate.billing_model,
        "status": mandate.status,
        "language": mandate.language,
        "timeZone": mandate.time_zone,
    }


@mandate_app.command("create")
def mandate_create(
    name: str,
    currency: Annotated[str | None, typer.Option(help="Three letters; never changes.")] = None,
    billing_model: Annotated[str, typer.Option(help="PREPAY_MANDATE, PREPAY_USER, POSTPAY or UNLIMITED.")] = (
        "PREPAY_MANDATE"
    ),
    credit_limit: Annotated[str | None, typer.Option(help="With POSTPAY: how far below zero.")] = None,
    language: str = "de",
    time_zone: str = "Europe/Zurich",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Create a mandate with an empty pool."""

    async def work() -> Mandate:
        settings = settings_of(data_dir)
        if billing_model not in ("PREPAY_MANDATE", "PREPAY_USER", "POSTPAY", "UNLIMITED"):
            raise ValueError("--billing-model must be PREPAY_MANDATE, PREPAY_USER, POSTPAY or UNLIMITED")
        limit = parse_amount(credit_limit, field="--credit-limit", allow_zero=True) if credit_limit else None
        async with opened(settings) as database:
            return await create_mandate(
                database,
                name=name,
                currency=currency or settings.currency,
                billing_model=cast(BillingModelName, billing_model),
                credit_limit_nanos=limit,
                language=language,
                time_zone=time_zone,
            )

    show_one(_row(run(work)), as_json=as_json)


@mandate_app.command("list")
def mandate_list(data_dir: DataDir = None, as_json: Json = False) -> None:
    """All mandates."""

    async def work() -> list[dict[str, Any]]:
        async with opened(settings_of(data_dir)) as database:
            return [_row(mandate) async for mandate in all_mandates(database)]

    show(run(work), as_json=as_json)


@mandate_app.command("show")
def mandate_show(mandate: MandateName, data_dir: DataDir = None, as_json: Json = False) -> None:
    """One mandate, with its billing settings."""

    async def work() -> dict[str, Any]:
        async with opened(settings_of(data_dir)) as database:
            found = await mandate_meant(database, mandate)
            billing = await get_settings(database, found.mandate_id)
            limit = billing.credit_limit_nanos
            return {
                **_row(found),
                "creditLimit": None if limit is None else format_amount(limit),
                "notifyEmails": list(billing.notify_emails),
                "notifyCooldownSeconds": billing.notify_cooldown_seconds,
            }

    show_one(run(work), as_json=as_json)


@user_app.command("add")
def user_add(
    mandate: MandateName,
    email: str,
    name: Annotated[str | None, typer.Option(help="As others see it.")] = None,
    role: Annotated[str, typer.Option(help="owner, finance or member.")] = "member",
    language: Annotated[str | None, typer.Option(help="de, en, fr or it.")] = None,
    external_id: Annotated[str | None, typer.Option(help="The application's own id.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Add a person to a mandate."""

    async def work() -> dict[str, Any]:
        if role not in ("owner", "finance", "member"):
            raise ValueError("--role must be owner, finance or member")
        async with opened(settings_of(data_dir)) as database:
            found = await mandate_meant(database, mandate)
            user = await add_user(
                database,
                found.mandate_id,
                email=email,
                display_name=name,
                role=cast(Role, role),
                language=language,
                external_id=external_id,
            )
            return {"id": str(user.user_id), "email": user.email, "displayName": user.display_name, "role": user.role}

    show_one(run(work), as_json=as_json)


@key_app.command("create")
def key_create(
    mandate: MandateName,
    kind: Annotated[str, typer.Option(help="user, service or admin.")] = "service",
    user: Annotated[str | None, typer.Option(help="Whose it is: required for a user key.")] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "made at the command line",
    expires_at: Annotated[datetime | None, typer.Option(help="UTC.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Create an API key; it is shown once."""

    async def work() -> dict[str, Any]:
        if kind not in ("user", "service", "admin"):
            raise ValueError("--kind must be user, service or admin")
        async with opened(settings_of(data_dir)) as database:
            found = await mandate_meant(database, mandate)
            key, text = await create_key(
                database,
                found.mandate_id,
                kind=cast(KeyKind, kind),
                name=name,
                created_by=ACTOR,
                user_id=as_uuid(user, "--user") if user else None,
                expires_at=_utc(expires_at),
            )
            return {"id": str(key.key_id), "key": text}

    show_one(run(work), as_json=as_json)


@key_app.command("revoke")
def key_revoke(mandate: MandateName, key_id: str, data_dir: DataDir = None) -> None:
    """End a key on all workers within a second."""

    async def work() -> None:
        async with opened(settings_of(data_dir)) as database:
            found = await mandate_meant(database, mandate)
            await revoke_key(database, found.mandate_id, as_uuid(key_id, "key"))

    run(work)
    print("revoked")


def top_up(
    mandate: MandateName,
    amount: str,
    user: Annotated[str | None, typer.Option(help="Credit this user's wallet instead of the pool.")] = None,
    reference: Annotated[str | None, typer.Option(help="Such as an invoice's number.")] = None,
    once: Annotated[str | None, typer.Option(help="A key: the same again credits nothing.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Credit a mandate's pool, or a user's wallet."""

    async def work() -> dict[str, Any]:
        nanos = parse_amount(amount, field="amount")
        async with opened(settings_of(data_dir)) as database, opened_ledger(database) as ledger:
            found = await mandate_meant(database, mandate)
            posted = await post_money(
                database,
                ledger,
                found.mandate_id,
                TransferKind.TOP_UP,
                nanos,
                actor=ACTOR,
                user=user,
                reference=reference,
                idempotency=_once(once or str(new_id()), amount, user),
            )
            after = None if posted.balance_nanos is None else format_amount(posted.balance_nanos)
            return {"id": str(posted.transfer_id), "amount": format_amount(nanos), "balance": after}

    show_one(run(work), as_json=as_json)


def _once(key: str, amount: str, user: str | None) -> IdempotencyKey:
    body = f"{amount}|{user or ''}".encode()
    return IdempotencyKey(ACTOR, "top-up", key, body, keep_for_ever=True)


def balance(mandate: MandateName, data_dir: DataDir = None, as_json: Json = False) -> None:
    """The pool and the wallets."""

    async def work() -> list[dict[str, Any]]:
        async with opened(settings_of(data_dir)) as database:
            found = await mandate_meant(database, mandate)
            books = await get_balance(database, found.mandate_id)
            return [
                {
                    "account": account.payer if account.user_id is None else f"wallet of {account.user_name}",
                    "currency": books.currency,
                    "posted": format_amount(account.posted_nanos),
                    "held": format_amount(account.held_nanos),
                    "available": format_amount(account.available_nanos),
                }
                for account in books.accounts
            ]

    show(run(work), as_json=as_json)


def transfers(
    mandate: MandateName,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """The journal, newest first."""

    async def work() -> list[dict[str, Any]]:
        async with opened(settings_of(data_dir)) as database:
            found = await mandate_meant(database, mandate)
            page = await list_transfers(database, found.mandate_id, Wanted(), limit=limit)
            return [
                {
                    "at": entry.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
                    "kind": entry.kind,
                    "amount": format_amount(entry.amount_nanos),
                    "payer": entry.payer,
                    "model": entry.model,
                    "inputTokens": entry.input_tokens,
                    "outputTokens": entry.output_tokens,
                    "costSource": entry.cost_source,
                    "reference": entry.reference or entry.reason,
                    "id": str(entry.transfer_id),
                }
                for entry in page.items
            ]

    show(run(work), as_json=as_json)


def notices(mandate: MandateName, data_dir: DataDir = None, as_json: Json = False) -> None:
    """What was sent to whom, when, and how it ended."""

    async def work() -> list[dict[str, Any]]:
        async with opened(settings_of(data_dir)) as database:
            found = await mandate_meant(database, mandate)
            page = await list_notices(database, found.mandate_id)
            return [
                {
                    "at": notice.created_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
                    "kind": notice.kind,
                    "recipient": notice.recipient,
                    "channel": notice.channel,
                    "state": notice.state,
                    "attempts": notice.attempts,
                    "sentAt": notice.sent_at.isoformat().replace("+00:00", "Z") if notice.sent_at else None,
                    "error": notice.last_error,
                }
                for notice in page.items
            ]

    show(run(work), as_json=as_json)


def _utc(at: datetime | None) -> datetime | None:
    from datetime import UTC

    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)
