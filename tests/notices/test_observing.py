"""Balances, burn rates and limits in the database, and who hears of them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from bursar.foundation.ids import new_id
from bursar.notices.observing import Observer
from tests.notices.mail_host import MailHost
from tests.notices.money_side import CENT, START, MoneySide
from tests.notices.worker import worker

A = "finance@example.org"
ANNA = "anna@example.org"


def observer(money: MoneySide) -> Observer:
    return Observer(money.database.ledger_pool, now=money.clock.now)


async def low_at(money: MoneySide, mandate_id: UUID, *amounts: int, percents: tuple[int, ...] = ()) -> None:
    async with money.database.as_mandate(mandate_id) as connection:
        await connection.execute(
            "INSERT INTO notice_settings (mandate_id, low_amounts_nanos, low_percents) VALUES ($1, $2, $3)",
            mandate_id, list(amounts), list(percents),
        )  # fmt: skip


async def balance(money: MoneySide, mandate_id: UUID, nanos: int, account_id: UUID | None = None) -> None:
    await money.database.ledger_pool.execute(
        "UPDATE account SET credits_posted = $3, debits_posted = $3 - $4::bigint, last_top_up_nanos = $3"
        " WHERE mandate_id = $1 AND account_id = $2",
        mandate_id, account_id or mandate_id, 1000 * CENT, nanos,
    )  # fmt: skip


async def person(money: MoneySide, mandate_id: UUID, email: str, role: str = "member") -> UUID:
    user_id = await money.person(mandate_id, email.split("@")[0].capitalize())
    async with money.database.as_mandate(mandate_id) as connection:
        await connection.execute("UPDATE app_user SET email = $2, role = $3 WHERE user_id = $1", user_id, email, role)
    return user_id


def text_of(mail_host: MailHost, place: int = -1) -> str:
    part = mail_host.received[place].message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def test_a_low_balance_is_told_once_and_deeper_lines_again(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, language="en")
    await low_at(money, mandate_id, 100 * CENT, percents=(50,))
    delivery = worker(money, mail_host)
    for cents in (600, 499, 480, 499, 101, 99, 70):
        await balance(money, mandate_id, cents * CENT)
        await observer(money).look()
        await delivery.work_once()
        money.clock.pass_by(hours=2)
    assert await money.states(mandate_id, "BALANCE_LOW") == [f"{A} SENT"] * 2
    assert "has fallen below CHF 5.00" in text_of(mail_host, 0)
    assert "Available credit: CHF 4.99" in text_of(mail_host, 0)
    assert "has fallen below CHF 1.00" in text_of(mail_host, 1)


async def test_two_workers_that_look_at_once_tell_once(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    await money.settings(mandate_id, low_balance_threshold_nanos=100 * CENT)
    await balance(money, mandate_id, 99 * CENT)
    for _ in range(2):
        await observer(money).look()
    assert await money.states(mandate_id, "BALANCE_LOW") == [f"{A} QUEUED"]


async def test_a_low_balance_that_was_topped_up_before_the_mail_went_out(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    await money.settings(mandate_id, low_balance_threshold_nanos=100 * CENT)
    await balance(money, mandate_id, 99 * CENT)
    await observer(money).look()
    await balance(money, mandate_id, 900 * CENT)
    await worker(money, mail_host).work_once()
    assert mail_host.received == []
    assert await money.states(mandate_id, "BALANCE_LOW") == [f"{A} CANCELLED"]
    assert (await money.alert(mandate_id, kind="BALANCE_LOW"))["resolved_at"] == money.clock.at


async def test_a_pool_that_never_had_money_is_not_low(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    await money.settings(mandate_id, low_balance_threshold_nanos=100 * CENT)
    await observer(money).look()
    assert await money.notices(mandate_id, "BALANCE_LOW") == []


async def test_a_wallet_is_its_users_business(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, model="PREPAY_USER", language="en")
    anna = await person(money, mandate_id, ANNA)
    boss = await person(money, mandate_id, "boss@example.org", "owner")
    await money.account(mandate_id, anna)
    await money.settings(mandate_id, low_balance_threshold_nanos=100 * CENT)
    await balance(money, mandate_id, 99 * CENT, anna)
    await observer(money).look()
    await worker(money, mail_host).work_once()
    assert mail_host.recipients == [ANNA]
    assert "Your personal AI credit" in text_of(mail_host)
    assert [(item["kind"], item["user_id"]) for item in await money.inbox(mandate_id)] == [("BALANCE_LOW", anna)]
    assert boss not in {item["user_id"] for item in await money.inbox(mandate_id)}


async def spend(money: MoneySide, mandate_id: UUID, nanos: int, ago: timedelta) -> None:
    await money.database.ledger_pool.execute(
        "INSERT INTO transfer (mandate_id, transfer_id, at, kind, debit_account_id, credit_account_id, debit_version,"
        " credit_version, amount_nanos) VALUES ($1, $2, $3, 'CHARGE', $1, $4, $5, $5, $6)",
        mandate_id, new_id(), money.clock.at - ago, new_id(), int(ago.total_seconds()) + 1, nanos,
    )  # fmt: skip


async def test_running_out_says_when(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, language="en")
    await balance(money, mandate_id, 200 * CENT)
    await spend(money, mandate_id, 50 * CENT, timedelta(days=1))
    await spend(money, mandate_id, 50 * CENT, timedelta(hours=1))
    await spend(money, mandate_id, 10_000 * CENT, timedelta(days=9))
    await observer(money).look_at_burn()
    await observer(money).look_at_burn()
    await worker(money, mail_host).work_once()
    assert mail_host.recipients == [A]
    assert "used up around 25 November 2026 at 10:12" in text_of(mail_host)
    assert "Average use per day: CHF 1.00" in text_of(mail_host)
    await balance(money, mandate_id, 900 * CENT)
    await observer(money).look_at_burn()
    assert (await money.alert(mandate_id, kind="RUNNING_OUT"))["resolved_at"] == money.clock.at


async def cap(money: MoneySide, mandate_id: UUID, scope: str, scope_id: UUID, spent: int) -> UUID:
    limit_id = new_id()
    await money.database.ledger_pool.execute(
        "INSERT INTO spending_limit (mandate_id, limit_id, scope, scope_id, period, amount_nanos)"
        " VALUES ($1, $2, $3, $4, 'day', $5)",
        mandate_id, limit_id, scope, str(scope_id), 100 * CENT,
    )  # fmt: skip
    await money.database.ledger_pool.execute(
        "INSERT INTO limit_counter (mandate_id, limit_id, period_start, period_end, spent_nanos)"
        " VALUES ($1, $2, $3, $4, $5)",
        mandate_id, limit_id, START - timedelta(hours=9), START + timedelta(hours=15), spent,
    )  # fmt: skip
    return limit_id


@pytest.mark.parametrize(("scope", "reader"), [("mandate", A), ("user", ANNA)])
async def test_a_limit_is_told_to_its_owner(money: MoneySide, mail_host: MailHost, scope: str, reader: str) -> None:
    mandate_id = await money.mandate(A, language="en")
    anna = await person(money, mandate_id, ANNA)
    limit_id = await cap(money, mandate_id, scope, mandate_id if scope == "mandate" else anna, 85 * CENT)
    delivery = worker(money, mail_host)
    await observer(money).look()
    await delivery.work_once()
    assert "85 % of an AI spending limit at Helvetia Treuhand AG are used" in text_of(mail_host)
    assert "Limit: CHF 1.00 per day" in text_of(mail_host)
    assert "Resets on: 24 November 2026 at 01:12" in text_of(mail_host)
    await money.database.ledger_pool.execute(
        "UPDATE limit_counter SET spent_nanos = $2 WHERE limit_id = $1", limit_id, 100 * CENT
    )
    await observer(money).look()
    await delivery.work_once()
    assert "has been reached" in text_of(mail_host)
    assert mail_host.recipients == [reader] * 2
    money.clock.pass_by(days=1)
    await observer(money).look()
    for kind in ("LIMIT_NEAR", "LIMIT_REACHED"):
        assert (await money.alert(mandate_id, limit_id, kind))["resolved_at"] == money.clock.at


async def test_whoever_was_told_hears_that_it_is_over(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, "b@example.org", language="en")
    anna = await person(money, mandate_id, ANNA)
    boss = await person(money, mandate_id, "boss@example.org", "owner")
    mail_host.refuse = {"b@example.org": "554 5.7.1 no"}
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id, user_id=anna, calls=41)
    await delivery.work_once()
    await money.refuse(mandate_id, user_id=anna)
    mail_host.refuse = {}
    await money.fund(mandate_id)
    await money.fund(mandate_id)
    await delivery.work_once()
    assert mail_host.recipients == [A, A], "only whoever was told"
    assert "From 23 November 2026 at 10:12 on, 42 AI requests from one person had been refused." in text_of(mail_host)
    assert [(item["kind"], item["user_id"]) for item in await money.inbox(mandate_id)] == [
        ("EXHAUSTED", boss),
        ("FUNDED_AGAIN", anna),
    ]


async def test_a_repeat_says_what_happened_since(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, language="en")
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id, calls=12)
    await delivery.work_once()
    money.clock.pass_by(hours=1)
    await money.refuse(mandate_id, calls=30)
    await delivery.work_once()
    assert "since our last message" not in text_of(mail_host, 0)
    assert "42 AI requests" in text_of(mail_host)
    assert "30 of them since our last message (23 November 2026 at 10:12)." in text_of(mail_host)
