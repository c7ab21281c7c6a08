"""Operators hear of upstreams' accounts, of holds and of the books: once, in time, with what was added since."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import connect_database
from bursar.foundation.ids import new_id
from bursar.ledger.verify import Violation
from bursar.notices.delivery import Delivery
from bursar.notices.observing import Observer
from bursar.notices.operators import store
from bursar.notices.operators.mail import render_alerts
from bursar.notices.operators.news import OperatorNews
from bursar.notices.operators.rules import (
    COOLDOWN,
    OF_EVENTS,
    Happened,
    OperatorAlert,
    OperatorKind,
    happened,
    may_be_told,
)
from bursar.notices.operators.watch import OperatorSettings, OperatorWatch
from tests.notices.mail_host import MailHost
from tests.notices.money_side import CENT, START, MoneySide
from tests.notices.worker import worker
from tests.support.cluster import PostgresCluster
from tests.support.management import assert_problem, running_api

ANNA, BERT = "anna@operator.example", "bert@operator.example"
SETTINGS = OperatorSettings((ANNA, BERT), "de", "https://bursar.example", timedelta(hours=24))
ALERT = OperatorAlert(OperatorKind.UPSTREAM_ACCOUNT, "openai", START, START, 3, {"status": 429}, None, 0)


@pytest.fixture(scope="module")
def addresses(cluster: PostgresCluster) -> Iterator[DatabaseAddresses]:
    """A database of one's own: its books have to add up."""
    name, addresses = cluster.create_database()
    yield addresses
    cluster.drop_database(name)


@pytest.fixture
async def money(addresses: DatabaseAddresses) -> AsyncIterator[MoneySide]:
    async with connect_database(addresses) as database:
        for statement in (
            "UPDATE hold SET state = 'RELEASED'", "UPDATE account SET credits_posted = 0",
            "UPDATE operator_alert SET told_count = count, told_at = '2000-01-01', last_at = '2000-01-01',"
            " next_attempt_at = '-infinity', attempts = 0",
            "UPDATE operator_chore SET ran_at = '-infinity'",
        ):  # fmt: skip
            await database.ledger_pool.execute(statement)
        yield MoneySide(database)


@pytest.fixture
def post(mail_host: MailHost) -> MailHost:
    return mail_host


@pytest.fixture
def delivery(money: MoneySide, post: MailHost) -> Delivery:
    return worker(money, post)


@pytest.fixture
def watch(money: MoneySide, delivery: Delivery) -> OperatorWatch:
    pool = money.database.ledger_pool
    return OperatorWatch(pool, delivery.mail, SETTINGS, message_domain="bursar.example", now=money.clock.now)


async def complain(money: MoneySide, upstream: str = "openai", times: int = 1) -> None:
    one = happened("upstream_rejects_our_account", {"upstream": upstream, "status": 429, "code": "insufficient_quota"})
    assert one is not None
    await store.note(money.database.ledger_pool, [replace(one, count=times)], money.clock.at)


def test_what_is_told_of_which_event() -> None:
    found = happened("upstream_rejects_our_account", {"upstream": "openai", "status": 429})
    assert found is not None
    assert (found.kind, found.subject) == (OperatorKind.UPSTREAM_ACCOUNT, "openai")
    assert happened("upstream_unreachable", {"upstream": "openai"}) is None, "that is in the log, and heals"
    assert set(OF_EVENTS.values()) < set(OperatorKind)


@pytest.mark.parametrize(
    ("alert", "after", "told"),
    [
        (ALERT, timedelta(0), True),
        (replace(ALERT, told_at=START, told_count=3), COOLDOWN, False),
        (replace(ALERT, told_at=START, told_count=2), COOLDOWN - timedelta(seconds=1), False),
        (replace(ALERT, told_at=START, told_count=2), COOLDOWN, True),
    ],
)
def test_when_again(alert: OperatorAlert, after: timedelta, told: bool) -> None:
    assert may_be_told(alert, START + after) is told


async def test_once_per_cooldown_to_each_operator_and_then_what_was_added(
    money: MoneySide, watch: OperatorWatch, post: MailHost
) -> None:
    await complain(money, times=2)
    assert await watch.tell() == 2
    assert post.recipients == [ANNA, BERT]
    assert "openai akzeptiert unser Konto nicht" in post.received[0].message["Subject"]
    body = post.received[0].message.get_body(("plain",))
    assert body is not None
    assert "2-mal" in body.get_content()
    assert "insufficient_quota" in body.get_content()
    await complain(money, times=5)
    money.clock.pass_by(minutes=59)
    assert await watch.tell() == 0
    money.clock.pass_by(minutes=1)
    assert await watch.tell() == 2
    body = post.received[-1].message.get_body(("plain",))
    assert body is not None
    assert "5-mal" in body.get_content()
    money.clock.pass_by(hours=5)
    assert await watch.tell() == 0, "nothing new"


async def test_several_at_once_are_one_mail(money: MoneySide, watch: OperatorWatch, post: MailHost) -> None:
    for upstream in ("openai", "anthropic", "<script>\r\nBcc: x@y.z"):
        await complain(money, upstream)
    assert await watch.tell() == 2
    assert len(post.received) == 2
    html = post.received[0].message.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()
    assert post.received[0].message["Bcc"] is None


async def test_where_nobody_could_be_told_it_is_tried_again(
    money: MoneySide, watch: OperatorWatch, post: MailHost
) -> None:
    post.refuse["*"] = "451 4.3.0 later"
    await complain(money)
    assert await watch.tell() == 0
    post.refuse.clear()
    assert await watch.tell() == 0, "not at once"
    money.clock.pass_by(seconds=5)
    assert await watch.tell() == 2


async def test_two_messengers_tell_once(money: MoneySide, delivery: Delivery, post: MailHost) -> None:
    pool = money.database.ledger_pool
    two = [
        OperatorWatch(pool, delivery.mail, SETTINGS, message_domain="bursar.example", now=money.clock.now)
        for _ in range(2)
    ]
    await complain(money)
    assert sorted([await each.tell() for each in two]) == [0, 2]


async def test_a_worker_hears_and_writes_down(money: MoneySide) -> None:
    passed: list[str] = []
    quarantined = [0]
    news = OperatorNews(money.database.ledger_pool, quarantined=lambda: quarantined[0])
    heard = news.hearing(lambda event, _: passed.append(event))
    for _ in range(3):
        heard("overrun", {"overrun_nanos": 5, "model": "demo-1"})
    heard("upstream_unreachable", {})
    quarantined[0] = 2
    await news.flush()
    await news.flush()
    rows = await money.database.ledger_pool.fetch(
        "SELECT subject, count FROM operator_alert WHERE told_count < count ORDER BY subject"
    )
    assert [tuple(row) for row in rows] == [("command_quarantined", 2), ("overrun", 3)]
    assert passed == ["overrun"] * 3 + ["upstream_unreachable"]


async def test_books_that_do_not_add_up_are_told(money: MoneySide, watch: OperatorWatch, post: MailHost) -> None:
    mandate_id = await money.mandate()
    await watch.verify()
    assert await watch.tell() == 0, "they add up"
    await money.database.ledger_pool.execute(
        "UPDATE account SET credits_posted = 1000 WHERE mandate_id = $1", mandate_id
    )
    money.clock.pass_by(hours=23)
    await watch.verify()
    assert await watch.tell() == 0, "once a day"
    money.clock.pass_by(hours=1)
    await watch.verify()
    assert await watch.tell() == 2
    assert "gehen nicht auf" in str(post.received[0].message)


async def test_a_verification_that_broke_off_is_tried_again_in_an_hour(
    money: MoneySide, watch: OperatorWatch, post: MailHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    mandate_id = await money.mandate()
    await money.database.ledger_pool.execute(
        "UPDATE account SET credits_posted = 1000 WHERE mandate_id = $1", mandate_id
    )

    async def away(*_: object) -> list[Violation]:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr("bursar.notices.operators.watch.verify", away)
        with pytest.raises(TimeoutError):
            await watch.verify()
    money.clock.pass_by(minutes=59)
    await watch.verify()
    assert await watch.tell() == 0
    money.clock.pass_by(minutes=1)
    await watch.verify()
    assert await watch.tell() == 2


async def test_holds_that_nobody_resolves_are_told(money: MoneySide, watch: OperatorWatch, post: MailHost) -> None:
    mandate_id = await money.mandate()
    await money.database.ledger_pool.execute(
        "INSERT INTO hold (mandate_id, hold_id, account_id, payer, billing_model, state, amount_nanos, ttl_seconds,"
        " created_version, created_at, expires_at)"
        " VALUES ($1, $2, $1, 'pool', 'PREPAY_MANDATE', 'PENDING', 1, 60, 1, $3, $3)",
        mandate_id, new_id(), money.clock.at,
    )  # fmt: skip
    await watch.look()
    assert await watch.tell() == 0
    money.clock.pass_by(minutes=6)
    await watch.look()
    assert await watch.tell() == 2
    assert "hold_overdue" in post.received[0].message["Subject"]


@pytest.mark.parametrize("language", ["de", "en", "fr", "it"])
def test_in_four_languages(language: str) -> None:
    several = [replace(ALERT, kind=kind, count=count) for kind in OperatorKind for count in (1, 1200)]
    mail = render_alerts(several, language, url="https://bursar.example")
    assert mail.language == language
    assert "{" not in mail.text
    assert "openai" in mail.text


async def test_operators_read_the_list_page_by_page(money: MoneySide, watch: OperatorWatch) -> None:
    pool = money.database.ledger_pool
    for number, upstream in enumerate(("one", "two", "three")):
        money.clock.pass_by(seconds=number)
        await complain(money, upstream, times=number + 1)
    assert await watch.tell() == 2
    await complain(money, "two", times=5)
    await store.note(pool, [Happened(OperatorKind.HOLD_ANOMALY, "overrun", 1, {"model": "m"})], money.clock.at)
    of_upstreams = {"kind": "UPSTREAM_ACCOUNT", "limit": 2}
    async with running_api(money.database) as api:
        first = (await api.get("/api/alerts", params=of_upstreams, headers={"Accept-Language": "de"})).json()
        told = [(each["subject"], each["count"], each["untold"]) for each in first["alerts"]]
        assert sorted(told) == [("three", 3, 0), ("two", 7, 5)]
        assert first["alerts"][0]["title"].endswith("akzeptiert unser Konto nicht")
        assert first["alerts"][0]["toldAt"] is not None
        assert first["alerts"][0]["facts"]["code"] == "insufficient_quota"
        rest = (await api.get("/api/alerts", params={**of_upstreams, "cursor": first["nextCursor"]})).json()
        assert rest["alerts"][0]["subject"] == "one"
        kinds = {each["kind"] for each in (await api.get("/api/alerts")).json()["alerts"]}
        assert {"UPSTREAM_ACCOUNT", "HOLD_ANOMALY"} <= kinds
        mandate = await api.mandate()
        _, owner = await api.person_key(mandate, "owner")
        assert_problem(await api.get("/api/alerts", key=owner), 403, "forbidden")
        assert_problem(await api.get("/api/alerts", params={"kind": "x"}), 422, "invalid_request", "kind")
        assert_problem(await api.get("/api/alerts", params={"cursor": "x"}), 422, "invalid_request", "cursor")


# --- credit that expires: told to finance -----------------------------------------------------------------------------


async def voucher(money: MoneySide, mandate_id: Any, days: int, **columns: Any) -> None:
    async with money.database.as_operator() as connection:
        await connection.execute(
            "INSERT INTO voucher (voucher_id, code_hash, hint, amount_nanos, currency, for_mandate_id, expires_at,"
            " created_by, revoked_at) VALUES ($1, $2, 'x', $3, 'CHF', $4, $5, 'test', $6)",
            new_id(), new_id().bytes * 2, 1000 * CENT, mandate_id, START + timedelta(days=days),
            columns.get("revoked_at"),
        )  # fmt: skip


async def test_vouchers_that_expire_are_told_and_told_again(money: MoneySide, post: MailHost) -> None:
    mandate_id = await money.mandate("cfo@helvetia.example", language="en")
    observer, sender = Observer(money.database.ledger_pool, now=money.clock.now), worker(money, post)
    await voucher(money, mandate_id, 20)
    await voucher(money, mandate_id, 20)
    await voucher(money, mandate_id, 1, revoked_at=datetime.now(UTC))
    await voucher(money, None, 1)

    async def told() -> int:
        await observer.look_at_burn()
        await sender.work_once()
        return len(post.received)

    assert await told() == 0, "three weeks are time enough"
    money.clock.pass_by(days=7)
    assert await told() == 1
    text = post.received[0].message.get_body(("plain",))
    assert text is not None
    assert "worth CHF 20.00 will expire unless it is redeemed: 2 vouchers" in text.get_content().replace("\n", " ")
    money.clock.pass_by(days=9)
    assert await told() == 1, "latched"
    money.clock.pass_by(days=1, minutes=1)
    assert await told() == 2, "three days before"
    money.clock.pass_by(days=2)
    assert await told() == 3, "a day before"
    money.clock.pass_by(days=1)
    assert await told() == 3, "it is over"
    assert (await money.alert(mandate_id, kind="CREDIT_EXPIRING"))["resolved_at"] is not None
