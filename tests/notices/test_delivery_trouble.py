"""Mail servers that are away, and money that comes in between. Time is a virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from bursar.foundation.ids import new_id
from bursar.notices import outbox
from bursar.notices.delivery import DeliveryPace
from tests.notices.mail_host import MailHost
from tests.notices.money_side import CENT, MoneySide
from tests.notices.worker import worker

A, B = "a@example.org", "b@example.org"


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
    await delivery.work_once()
    assert await money.states(mandate_id, "FUNDED_AGAIN") == [f"{A} CANCELLED"], "it was not so any more"
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
    assert await money.states(mandate_id) == [f"{A} SENT"]
    assert await money.states(mandate_id, "FUNDED_AGAIN") == [f"{A} SENT"], "whoever was told hears that it is over"
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
