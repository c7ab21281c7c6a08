"""The worker on real PostgreSQL and a real SMTP server; time is a virtual clock, so that hours cost nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from email.headerregistry import Address
from itertools import pairwise
from uuid import UUID

import pytest

from bursar.billing.models import FinanceNews
from bursar.foundation.ids import new_id
from bursar.notices import outbox
from bursar.notices.channels.email import EmailChannel
from bursar.notices.delivery import Delivery, DeliveryPace
from bursar.notices.mail import Mail, MailFacts, render
from bursar.notices.news import News, ShortageNews
from tests.notices.mail_host import MailHost
from tests.notices.money_side import CENT, MoneySide, refusal

A, B, C = "a@example.org", "b@example.org", "c@example.org"
NO_REST = DeliveryPace(rest_seconds=(0.0, 0.0))


def worker(money: MoneySide, host: MailHost, *, pace: DeliveryPace = NO_REST, timeout_seconds: float = 5.0) -> Delivery:
    channel = EmailChannel(host.address(), Address("Bursar", "bursar", "example.net"), timeout_seconds=timeout_seconds)
    return Delivery(
        money.database.ledger_pool,
        [channel],
        public_url="https://bursar.example.net",
        message_domain="example.net",
        pace=pace,
        now=money.clock.now,
    )


async def test_a_denial_becomes_a_mail(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B)
    anna = await money.person(mandate_id, "Anna Muster")
    await money.refuse(mandate_id, user_id=anna, required_nanos=12_000_000, available_nanos=4_100_000)
    assert await worker(money, mail_host).work_once() == 2
    assert mail_host.recipients == [A, B]
    assert await money.states(mandate_id) == [f"{A} SENT", f"{B} SENT"]
    mail = mail_host.received[0].message
    assert mail["Subject"] == f"Bursar: KI-Guthaben aufgebraucht – Helvetia Treuhand AG ({str(mandate_id)[:8]})"
    text = mail.get_body(("plain",))
    assert text is not None
    for part in (f"Anna Muster ({anna})", "CHF 0.0041", "CHF 0.01", str(mandate_id), "eine KI-Anfrage"):
        assert part in text.get_content()
    assert f"https://bursar.example.net/billing?mandate={mandate_id}" in text.get_content()


async def test_the_mail_says_how_it_is_when_it_is_sent(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, language="en")
    await money.refuse(mandate_id, user_id=new_id())
    money.clock.pass_by(seconds=1)
    await money.refuse(mandate_id, user_id=new_id(), calls=41)
    await worker(money, mail_host).work_once()
    text = mail_host.received[0].message.get_body(("plain",))
    assert text is not None
    assert "42 AI requests from 2 people have been refused" in text.get_content()
    (row,) = await money.notices(mandate_id)
    assert (row["payload"]["calls"], row["payload"]["users"]) == (42, 2)


async def test_a_service_key_without_a_person(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    key_id = await money.service_key(mandate_id, "Nightly batch")
    await money.refuse(mandate_id, key_id=key_id)
    await worker(money, mail_host).work_once()
    text = mail_host.received[0].message.get_body(("plain",))
    assert text is not None
    assert f"API-Schlüssel «Nightly batch» ({key_id})" in text.get_content()


# --- outcomes per recipient ------------------------------------------------------------------------------------------


async def test_one_recipients_failure_stops_no_other(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B, C)
    mail_host.refuse = {B: "550 5.1.1 no such user\x00"}
    await money.refuse(mandate_id)
    await worker(money, mail_host).work_once()
    assert await money.states(mandate_id) == [f"{A} SENT", f"{B} REFUSED", f"{C} SENT"]
    alert = await money.alert(mandate_id)
    assert (alert["notified_at"], alert["reopens_at"]) == (money.clock.at, None)


async def test_a_dead_address_is_skipped_until_it_is_edited(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B)
    mail_host.refuse = {B: "550 5.1.1 no such user"}
    delivery = worker(money, mail_host)
    for _ in range(3):
        await money.refuse(mandate_id)
        await delivery.work_once()
        money.clock.pass_by(hours=1)
    assert mail_host.attempts == Counter({A: 3, B: 1})
    await money.settings(mandate_id, notify_emails=[A])
    await money.settings(mandate_id, notify_emails=[A, B])
    mail_host.refuse = {}
    await money.refuse(mandate_id)
    await delivery.work_once()
    assert mail_host.attempts == Counter({A: 4, B: 2})


async def test_if_every_recipient_fails_the_slot_is_free_again_after_a_while(
    money: MoneySide, mail_host: MailHost
) -> None:
    mandate_id = await money.mandate(A, B)
    mail_host.refuse = {"*": "554 5.7.1 relaying denied"}
    delivery = worker(money, mail_host)
    began, tries = money.clock.at, []
    for _ in range(40):
        await money.refuse(mandate_id)
        if await delivery.work_once():
            tries.append(money.clock.at - began)
        money.clock.pass_by(minutes=1)
    assert tries == [timedelta(minutes=minutes) for minutes in (0, 1, 3, 7, 15, 31)]
    assert (await money.alert(mandate_id))["notified_at"] is None
    mail_host.refuse = {}
    money.clock.pass_by(minutes=30)
    await money.refuse(mandate_id)
    await delivery.work_once()
    assert mail_host.recipients == [A, B]
    assert (await money.alert(mandate_id))["given_back_count"] == 0


async def test_a_slot_is_kept_while_one_recipient_may_still_be_told(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B)
    mail_host.refuse = {A: "550 5.7.1 no", B: "451 4.7.1 later"}
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id)
    await delivery.work_once()
    assert await money.states(mandate_id) == [f"{A} REFUSED", f"{B} QUEUED"]
    assert (await money.alert(mandate_id))["reopens_at"] is None
    mail_host.refuse[B] = "550 5.7.1 no"
    money.clock.pass_by(seconds=5)
    await delivery.work_once()
    assert (await money.alert(mandate_id))["reopens_at"] == money.clock.at + timedelta(minutes=1)


async def test_all_addresses_dead_is_nobody_until_one_is_edited(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    news = ShortageNews(money.database.ledger_pool, fresh_seconds=0)
    mail_host.refuse = {A: "550 5.1.1 no such user"}
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id)
    assert (await news.of(mandate_id, mandate_id)).state is FinanceNews.BEING_TOLD
    await delivery.work_once()
    assert (await news.of(mandate_id, mandate_id)).state is FinanceNews.NOBODY
    await money.settings(mandate_id, notify_emails=[B])
    # The settings were changed at the database's time; nobody has to be refused once more.
    money.clock.at = (await money.alert(mandate_id))["due_at"]
    await delivery.work_once()
    assert mail_host.recipients == [B]


async def test_a_letter_that_is_given_up_gives_its_slot_back(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    mail_host.refuse = {A: "451 4.7.1 later"}
    await money.refuse(mandate_id)
    delivery = worker(money, mail_host)
    await delivery.work_once()
    money.clock.pass_by(days=3)
    await delivery.work_once()
    assert await money.states(mandate_id) == [f"{A} FAILED"]
    assert (await money.alert(mandate_id))["given_back_count"] == 1


# --- servers that are away -------------------------------------------------------------------------------------------


async def test_a_server_down_for_five_hours_delivers_one_mail(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B)
    await mail_host.stop()
    delivery = worker(money, mail_host)
    for _ in range(300):
        await money.refuse(mandate_id, user_id=new_id())
        money.clock.pass_by(minutes=1)
        if money.clock.at.minute % 20 == 0:
            await delivery.work_once()
    await mail_host.start()
    money.clock.pass_by(minutes=5)
    for _ in range(60):
        await delivery.work_once()
        money.clock.pass_by(minutes=1)
    assert mail_host.recipients == [A, B]
    text = mail_host.received[0].message.get_body(("plain",))
    assert text is not None
    assert "300 KI-Anfragen von 300 Personen" in text.get_content()


@pytest.mark.parametrize("place", ["greeting", "rcpt", "data"])
async def test_a_server_that_hangs_holds_nobody_and_loses_nothing(
    money: MoneySide, mail_host: MailHost, place: str
) -> None:
    mandate_id = await money.mandate(A, B)
    mail_host.hang_at = place
    delivery = worker(money, mail_host, timeout_seconds=0.05)
    await money.refuse(mandate_id)
    await delivery.work_once()
    assert await money.states(mandate_id) == [f"{A} QUEUED", f"{B} QUEUED"]
    await asyncio.wait_for(money.refuse(mandate_id), timeout=1)  # The denial's transaction waits for no server.
    mail_host.hang_at = None
    money.clock.pass_by(seconds=4)
    assert await delivery.work_once() == 0, "not before the backoff has passed"
    money.clock.pass_by(seconds=1)
    await delivery.work_once()
    assert mail_host.recipients == [A, B]


async def test_a_server_that_dies_in_mid_conversation_loses_nothing(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B)
    mail_host.die_at, mail_host.deaths = "data", 1
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id)
    await delivery.work_once()
    money.clock.pass_by(seconds=5)
    await delivery.work_once()
    assert mail_host.recipients == [A, B]
    assert await money.states(mandate_id) == [f"{A} SENT", f"{B} SENT"]


async def test_a_mail_that_was_taken_without_a_reply_comes_again_under_its_own_name(
    money: MoneySide, mail_host: MailHost
) -> None:
    mandate_id = await money.mandate(A)
    mail_host.die_at, mail_host.deaths = "reply", 1
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id)
    await delivery.work_once()
    money.clock.pass_by(seconds=5)
    await delivery.work_once()
    first, second = mail_host.received
    assert first.message["Message-ID"] == second.message["Message-ID"]


async def test_a_channel_that_cannot_be_reached_rests(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    await mail_host.stop()
    delivery = worker(money, mail_host, pace=DeliveryPace(rest_seconds=(60.0, 60.0)))
    await money.refuse(mandate_id)
    assert await delivery.work_once() == 1
    money.clock.pass_by(hours=1)
    assert await delivery.work_once() == 0


# --- money in between ------------------------------------------------------------------------------------------------


async def test_money_withdraws_what_is_undelivered(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    await money.fund(mandate_id)
    await worker(money, mail_host).work_once()
    assert mail_host.received == []


async def test_money_that_comes_while_a_mail_is_on_its_way(
    money: MoneySide, mail_host: MailHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    record = outbox.record

    async def fund_first(*arguments: object) -> None:
        await money.fund(mandate_id)
        monkeypatch.setattr(outbox, "record", record)
        await record(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(outbox, "record", fund_first)
    await worker(money, mail_host).work_once()
    assert await money.states(mandate_id) == [f"{A} SENT"], "it was told, whatever came of it"
    assert (await money.alert(mandate_id))["sent_at"] == money.clock.at


async def test_a_shortage_that_ended_without_a_top_up_is_not_told(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, model="POSTPAY", credit_limit_nanos=0)
    await money.refuse(mandate_id, required_nanos=CENT)
    await money.settings(mandate_id, credit_limit_nanos=10 * CENT)
    delivery = worker(money, mail_host)
    await delivery.work_once()
    assert mail_host.received == []
    assert await money.states(mandate_id) == [f"{A} CANCELLED"]
    await money.settings(mandate_id, credit_limit_nanos=0)
    await money.refuse(mandate_id)
    await delivery.work_once()
    assert mail_host.recipients == [A], "nobody was disturbed, so the slot is free"


async def test_a_shortage_kept_silent_is_told_when_the_cooldown_ends(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id)
    await delivery.work_once()
    money.clock.pass_by(minutes=10)
    await money.fund(mandate_id)
    await money.spend_all(mandate_id)
    money.clock.pass_by(minutes=10)
    await money.refuse(mandate_id)
    for _ in range(39):
        money.clock.pass_by(minutes=1)
        assert await delivery.work_once() == 0
    money.clock.pass_by(minutes=1)
    await delivery.work_once()
    assert len(mail_host.received) == 2
    assert (await money.alert(mandate_id))["notified_at"] == money.clock.at


async def test_a_silent_shortage_that_is_over_stays_silent(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id)
    await delivery.work_once()
    await money.fund(mandate_id)
    await money.spend_all(mandate_id)
    await money.refuse(mandate_id)
    await money.settings(mandate_id, billing_model="UNLIMITED")
    money.clock.pass_by(hours=1)
    await delivery.work_once()
    assert len(mail_host.received) == 1
    assert (await money.alert(mandate_id))["resolved_at"] == money.clock.at


async def test_an_address_that_was_taken_out_gets_nothing_more(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    await money.settings(mandate_id, notify_emails=[B])
    delivery = worker(money, mail_host)
    await delivery.work_once()
    assert mail_host.received == []
    money.clock.at = max(money.clock.at, (await money.alert(mandate_id))["due_at"])
    await delivery.work_once()
    assert mail_host.recipients == [B]


# --- several workers, and workers that die ---------------------------------------------------------------------------


async def test_two_workers_deliver_each_row_once(money: MoneySide, mail_host: MailHost) -> None:
    mandate_ids = [await money.mandate(A, B, name=f"Mandate {number}") for number in range(20)]
    await money.refuse(*mandate_ids)
    pace = DeliveryPace(batch_letters=4)
    workers = [worker(money, mail_host, pace=pace) for _ in range(2)]

    async def work(delivery: Delivery) -> int:
        rounds = 0
        while await delivery.work_once() or await money.database.ledger_pool.fetchval(
            "SELECT true FROM notice WHERE state = 'QUEUED' LIMIT 1"
        ):
            rounds += 1
        return rounds

    rounds = await asyncio.gather(*map(work, workers))
    assert min(rounds) > 0
    assert len(mail_host.received) == 40
    assert len({mail.message["Message-ID"] for mail in mail_host.received}) == 40


async def test_two_hundred_denials_while_two_workers_deliver(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B)
    workers = [worker(money, mail_host, pace=DeliveryPace(poll_seconds=0.01)) for _ in range(2)]
    for delivery in workers:
        await delivery.start()

    async def lane() -> None:
        for _ in range(100):
            await money.refuse(mandate_id, user_id=new_id())

    await asyncio.gather(lane(), lane())
    await until_sent(money, mandate_id)
    for delivery in workers:
        await delivery.stop()
    assert mail_host.recipients == [A, B]
    assert (await money.alert(mandate_id))["refused_calls"] == 200


async def test_a_worker_that_dies_between_sending_and_recording(
    money: MoneySide, mail_host: MailHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)

    class Killed(BaseException):
        pass

    async def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "record", die)
        with pytest.raises(Killed):
            await worker(money, mail_host).work_once()
    assert await money.states(mandate_id) == [f"{A} QUEUED"]
    other = worker(money, mail_host)
    assert await other.work_once() == 0, "the dead worker's claim still holds"
    money.clock.pass_by(minutes=5)
    await other.work_once()
    first, second = mail_host.received
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert await money.states(mandate_id) == [f"{A} SENT"]


async def claim(money: MoneySide) -> list[outbox.Claimed]:
    return await outbox.claim(
        money.database.ledger_pool,
        channels=["email"],
        limit=50,
        lease_seconds=60.0,
        message_domain="example.net",
        at=money.clock.at,
    )


async def test_a_row_is_claimed_by_one_worker_of_many(money: MoneySide) -> None:
    mandate_ids = [await money.mandate(A, B, name=f"Mandate {number}") for number in range(10)]
    await money.refuse(*mandate_ids)
    claims = await asyncio.gather(*(claim(money) for _ in range(8)))
    rows = [row.notice_id for claimed in claims for row in claimed]
    assert len(rows) == len(set(rows)) == 20


async def test_a_row_that_is_locked_elsewhere_is_left_alone(money: MoneySide) -> None:
    free, locked = await money.mandate(A), await money.mandate(A)
    await money.refuse(free, locked)
    async with money.database.ledger_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM notice WHERE mandate_id = $1 FOR UPDATE", locked)
        assert [row.mandate_id for row in await claim(money)] == [free]


async def test_a_worker_that_comes_back_late_does_not_undo_anothers_record(
    money: MoneySide, mail_host: MailHost
) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    pool = money.database.ledger_pool
    (late,) = await claim(money)
    money.clock.pass_by(seconds=60)
    (other,) = await claim(money)
    assert late.message_id == other.message_id
    async with pool.acquire() as connection:
        await outbox.record(connection, [outbox.Ended(late, "REFUSED", error="550")], money.clock.at)
        assert await money.states(mandate_id) == [f"{A} QUEUED"], "the claim is another's by now"
        await outbox.record(connection, [outbox.Ended(other, "SENT")], money.clock.at)
        await outbox.record(connection, [outbox.Ended(late, "FAILED", error="554")], money.clock.at)
    assert await money.states(mandate_id) == [f"{A} SENT"]


async def test_one_notice_that_cannot_be_written_stops_no_other(
    money: MoneySide, mail_host: MailHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await money.mandate(A, name="bad"), await money.mandate(B, name="good")
    await money.refuse(bad, good)

    def fragile(facts: MailFacts) -> Mail:
        if facts.mandate_name == "bad":
            raise ValueError("oops")
        return render(facts)

    monkeypatch.setattr("bursar.notices.delivery.render", fragile)
    await worker(money, mail_host).work_once()
    assert mail_host.recipients == [B]
    assert await money.states(bad) == [f"{A} FAILED"]


# --- the running worker ----------------------------------------------------------------------------------------------


async def until_sent(money: MoneySide, mandate_id: UUID) -> None:
    """Waits as long as the test may run."""
    while {row["state"] for row in await money.notices(mandate_id)} != {"SENT"}:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_running_worker_starts_by_itself_and_stops(money: MoneySide, mail_host: MailHost) -> None:
    delivery = worker(money, mail_host, pace=DeliveryPace(poll_seconds=0.01))
    await delivery.start()
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    await until_sent(money, mandate_id)
    await delivery.stop()
    money.clock.pass_by(hours=1)
    await money.refuse(mandate_id)
    assert await money.states(mandate_id) == [f"{A} SENT", f"{A} QUEUED"]


async def test_a_worker_stops_though_its_server_hangs(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B)
    mail_host.hang_at = "data"
    delivery = worker(money, mail_host, pace=DeliveryPace(poll_seconds=0.01), timeout_seconds=3600)
    await delivery.start()
    await money.refuse(mandate_id)
    await mail_host.hanging.wait()
    await delivery.stop(grace_seconds=0.05)
    mail_host.hang_at = None
    money.clock.pass_by(minutes=5)
    await worker(money, mail_host).work_once()
    assert mail_host.recipients == [A, B]


async def test_a_stopping_worker_hands_back_what_it_did_not_begin(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    delivery = worker(money, mail_host)
    delivery._stopping.set()
    await delivery.work_once()
    (row,) = await money.notices(mandate_id)
    assert (row["state"], row["attempts"], row["next_attempt_at"]) == ("QUEUED", 0, money.clock.at)
    assert mail_host.received == []


async def test_a_worker_outlives_a_database_that_is_away(
    money: MoneySide, mail_host: MailHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = worker(money, mail_host, pace=DeliveryPace(poll_seconds=0.01))
    real, failures = delivery.work_once, iter([OSError("away"), RuntimeError("a bug")])

    async def work_once() -> int:
        for failure in failures:
            raise failure
        return await real()

    monkeypatch.setattr(delivery, "work_once", work_once)
    await delivery.start()
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    await until_sent(money, mandate_id)
    await delivery.stop()
    assert mail_host.recipients == [A]


# --- what a refusal may say ------------------------------------------------------------------------------------------


async def test_what_the_refused_person_hears(money: MoneySide, mail_host: MailHost) -> None:
    news = ShortageNews(money.database.ledger_pool, fresh_seconds=0)
    mandate_id, nobody = await money.mandate(A), await money.mandate()
    wallets = await money.mandate(A, model="PREPAY_USER")
    wallet = new_id()
    await money.account(wallets, wallet)
    await money.refuse(mandate_id, nobody)
    await money.ride([refusal(wallets, account_id=wallet)])
    assert await news.of(mandate_id, mandate_id) == News(FinanceNews.BEING_TOLD)
    assert await news.of(nobody, nobody) == News(FinanceNews.NOBODY)
    assert await news.of(wallets, wallet) == News(FinanceNews.NOT_TOLD)
    await worker(money, mail_host).work_once()
    told = money.clock.at
    assert await news.of(mandate_id, mandate_id) == News(FinanceNews.TOLD, told)
    money.clock.pass_by(hours=2)
    await money.refuse(mandate_id)
    await worker(money, mail_host).work_once()
    assert await news.notified_at(mandate_id, mandate_id) == told, "the first mail about this shortage"
    await money.fund(mandate_id)
    assert await news.of(mandate_id, mandate_id) == News(FinanceNews.BEING_TOLD)


async def test_a_storm_of_refusals_asks_the_database_once(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    news = ShortageNews(money.database.ledger_pool, fresh_seconds=3600)
    answers = await asyncio.gather(*(news.of(mandate_id, mandate_id) for _ in range(500)))
    assert set(answers) == {News(FinanceNews.BEING_TOLD)}
    await money.settings(mandate_id, notify_emails=[])
    assert (await news.of(mandate_id, mandate_id)).state is FinanceNews.BEING_TOLD, "the answer is kept"


async def test_news_never_fail_a_refusal(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    news = ShortageNews(money.database.ledger_pool)
    await money.database.ledger_pool.close()
    assert await news.of(mandate_id, mandate_id) == News(FinanceNews.NOT_TOLD)


# --- the invariant ---------------------------------------------------------------------------------------------------


async def test_deliveries_are_a_cooldown_apart_over_a_day_of_trouble(money: MoneySide, mail_host: MailHost) -> None:
    """A day in which the server refuses, dies and heals, money comes and goes, and two workers take turns."""
    mandate_id = await money.mandate(A, B, cooldown_seconds=1800)
    workers: Sequence[Delivery] = [worker(money, mail_host) for _ in range(2)]
    for step in range(144):
        mail_host.refuse = {B: "451 4.7.1 later"} if step % 7 < 3 else {}
        mail_host.refuse_data = {"*": "554 5.6.0 no"} if step % 29 == 0 else {}
        mail_host.die_at, mail_host.deaths = ("data", 1) if step % 5 == 0 else (None, 0)
        if step % 11 == 0:
            await money.fund(mandate_id)
            await money.spend_all(mandate_id)
        await money.refuse(mandate_id)
        await workers[step % 2].work_once()
        money.clock.pass_by(minutes=10)
    for recipient in (A, B):
        rows = [row for row in await money.notices(mandate_id) if row["recipient"] == recipient]
        sent = sorted(row["sent_at"] for row in rows if row["state"] == "SENT")
        assert len(sent) == len([each for each in mail_host.received if each.recipient == recipient]) > 10
        assert all(later - earlier >= timedelta(seconds=1800) for earlier, later in pairwise(sent))
