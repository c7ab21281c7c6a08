"""From a denial to the mail, and how each recipient's ended. The mail host is a real SMTP server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from bursar.billing.models import FinanceNews
from bursar.foundation.ids import new_id
from bursar.notices.delivery import Delivery
from bursar.notices.news import ShortageNews
from tests.notices.mail_host import MailHost
from tests.notices.money_side import MoneySide
from tests.notices.worker import worker

A, B, C = "a@example.org", "b@example.org", "c@example.org"


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
