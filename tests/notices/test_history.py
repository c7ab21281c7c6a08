"""What finance can look up afterwards, as the role that serves management routes."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from bursar.notices.delivery import DeliveryPace
from bursar.notices.history import dead_addresses, list_notices
from bursar.notices.retries import FIRST_RETRY
from bursar.notices.telling import open_delivery
from tests.notices.mail_host import MailHost
from tests.notices.money_side import CENT, MoneySide
from tests.notices.worker import worker

A, B = "a@example.org", "b@example.org"


async def test_what_was_sent_to_whom_and_how_it_ended(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id, other = await money.mandate(A, B), await money.mandate(A)
    anna = await money.person(mandate_id, "Anna")
    mail_host.refuse = {B: "550 5.1.1 no such user"}
    await money.refuse(mandate_id, user_id=anna, required_nanos=CENT)
    await money.refuse(other)
    await worker(money, mail_host).work_once()
    async with money.database.as_mandate(mandate_id) as connection:
        records = await list_notices(connection, mandate_id)
        (dead,) = await dead_addresses(connection, mandate_id)
        assert await list_notices(connection, other) == [], "another mandate's rows cannot be seen"
        first_page = await list_notices(connection, mandate_id, limit=1)
        second_page = await list_notices(connection, mandate_id, limit=1, before=first_page[0].notice_id)
    assert [*first_page, *second_page] == records
    assert {record.recipient: record.state for record in records} == {A: "SENT", B: "REFUSED"}
    assert (dead.address, dead.reason, dead.refused_at) == (B, "550 5.1.1 no such user", money.clock.at)
    (refused,) = [record.to_json() for record in records if record.recipient == B]
    assert refused["lastError"] == "550 5.1.1 no such user"
    (sent,) = [record.to_json() for record in records if record.recipient == A]
    assert sent["sentAt"] == "2026-11-23T09:12:00Z"
    assert sent["payer"] == "pool"
    assert sent["refusedCalls"] == 1
    assert sent["requiredAmount"] == "0.010000000"
    assert sent["lastRefusedUserId"] == str(anna)


@pytest.mark.parametrize("table", ["notice", "alert", "recipient_state", "refused_user"])
async def test_management_reads_and_changes_nothing(money: MoneySide, table: str) -> None:
    mandate_id = await money.mandate(A)
    async with money.database.as_mandate(mandate_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"DELETE FROM {table}")  # noqa: S608


async def test_a_local_mailbox_needs_no_server_and_time_is_the_databases(money: MoneySide, tmp_path: Path) -> None:
    mandate_id = await money.mandate(A)
    money.clock.at = await money.database.ledger_pool.fetchval("SELECT now()")
    await money.refuse(mandate_id)
    delivery = open_delivery(
        money.database.ledger_pool,
        mail_url=f"maildir:{tmp_path / 'mail'}",
        mail_from="Bursar <bursar@localhost>",
        public_url="http://127.0.0.1:8402",
    )
    await delivery.work_once()
    (mail,) = (tmp_path / "mail" / "new").iterdir()
    assert str(mandate_id) in mail.read_text()
    (row,) = await money.notices(mandate_id)
    assert (row["state"], row["message_id"]) == ("SENT", f"<{row['notice_id']}@localhost>")
    assert row["sent_at"] > money.clock.at
    assert (await money.alert(mandate_id))["notified_at"] == row["sent_at"]


async def test_what_could_not_be_sent_waits_by_the_databases_clock(money: MoneySide, tmp_path: Path) -> None:
    mandate_id = await money.mandate(A)
    money.clock.at = await money.database.ledger_pool.fetchval("SELECT now()")
    await money.refuse(mandate_id)
    (tmp_path / "mail").write_text("in the way")
    delivery = open_delivery(
        money.database.ledger_pool,
        mail_url=f"maildir:{tmp_path / 'mail'}",
        mail_from="Bursar <bursar@localhost>",
        public_url="http://127.0.0.1:8402",
        pace=DeliveryPace(rest_seconds=(0.0, 0.0)),
    )
    assert await delivery.work_once() == 1
    (row,) = await money.notices(mandate_id)
    assert row["state"] == "QUEUED"
    assert row["next_attempt_at"] > money.clock.at + FIRST_RETRY
    assert await delivery.work_once() == 0
