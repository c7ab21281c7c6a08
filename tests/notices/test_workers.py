"""Several workers, workers that die, and the worker as it runs in service."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from bursar.foundation.ids import new_id
from bursar.notices import outbox
from bursar.notices.delivery import Delivery, DeliveryPace
from bursar.notices.mail import Mail, render
from bursar.notices.wording import MailFacts
from tests.notices.mail_host import MailHost
from tests.notices.money_side import MoneySide
from tests.notices.worker import worker

A, B = "a@example.org", "b@example.org"


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
