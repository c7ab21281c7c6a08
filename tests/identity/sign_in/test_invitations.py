"""Invitations: who may, what becomes of them, and how they reach their mailbox."""

from __future__ import annotations

import asyncio
import mailbox
from email.headerregistry import Address
from pathlib import Path
from uuid import UUID

from bursar.identity.sign_in.sweeping import sweep
from bursar.notices.channels.maildir import MaildirChannel
from bursar.notices.personal_mail import PersonalMail
from tests.identity.sign_in.house import House, token_of
from tests.identity.sign_in.issuer_host import Issuer
from tests.support.management import SECRETS, assert_problem


async def test_an_invitation_is_listed_superseded_and_revoked(house: House) -> None:
    mandate = await house.api.mandate()
    first = await house.api.made(f"{mandate}/invitations", {"email": "Anna@example.com", "role": "finance"})
    assert (first["email"], first["role"], first["createdBy"]) == ("Anna@example.com", "finance", "root")
    assert "token" not in str(first)
    (old,) = await house.mailed()
    second = await house.api.made(f"{mandate}/invitations", {"email": "anna@example.com", "language": "fr"})
    (new,) = await house.mailed()
    listed = (await house.api.get(f"{mandate}/invitations")).json()
    assert listed == {"invitations": [second], "nextCursor": None}
    assert (await house.browser().get("/auth/link", params={"token": old})).status_code == 410
    page = await house.browser().get("/auth/link", params={"token": new})
    assert "as member" in page.text

    path = f"{mandate}/invitations/{second['id']}"
    assert (await house.api.call("DELETE", path)).status_code == 204
    assert_problem(await house.api.call("DELETE", path), 404, "not_found")
    assert await house.mailed() == []
    assert (await house.browser().sign_in(token=new)).status_code == 410
    assert (await house.api.get(f"{mandate}/invitations")).json()["invitations"] == []


async def test_only_owners_invite_and_only_for_their_own_mandate(house: House) -> None:
    one, two = await house.api.mandate("One"), await house.api.mandate("Two")
    owner = house.browser()
    await owner.sign_in(token=await house.invited(one, "anna@example.com", "owner"))
    await owner.session()
    body = {"email": "b@example.com"}
    assert (await owner.change("POST", f"{one}/invitations", body)).status_code == 201
    assert_problem(await owner.change("POST", f"{two}/invitations", body), 404, "not_found")
    invitation = (await house.api.made(f"{two}/invitations", body))["id"]
    assert_problem(await owner.change("DELETE", f"{one}/invitations/{invitation}"), 404, "not_found")
    _, finance = await house.api.person_key(one, "finance")
    for answer in (
        await house.api.post(f"{one}/invitations", body, key=finance),
        await house.api.get(f"{one}/invitations", key=finance),
        await house.api.call("DELETE", f"{one}/invitations/{invitation}", key=finance),
    ):
        assert_problem(answer, 403, "forbidden")
    for wrong, field in (({"email": "x"}, "email"), ({**body, "role": "king"}, "role"), ({}, "email")):
        assert_problem(await house.api.post(f"{one}/invitations", wrong), 422, "invalid_request", field)


async def test_of_many_who_accept_at_once_one_gets_in(house: House, issuer: Issuer) -> None:
    mandate = await house.api.mandate()
    token = await house.invited(mandate, "anna@example.com")
    browsers = [house.browser() for _ in range(6)]
    ways = []
    for number, browser in enumerate(browsers):
        issuer.subject = f"person-{number}"
        ways.append(await browser.to_issuer(await browser.submit("/auth/start/test", {"token": token})))
    answers = await asyncio.gather(*[browser.back(way) for browser, way in zip(browsers, ways, strict=True)])
    assert sorted(answer.status_code for answer in answers) == [303] + [410] * 5
    users = (await house.api.get(f"{mandate}/users")).json()["users"]
    assert [user["email"] for user in users] == ["anna@example.com"]


async def test_an_invitation_finds_the_user_who_is_there_already(house: House) -> None:
    mandate, user_id = await house.mandate_with("One", "anna@example.com", "finance")
    answer = await house.api.post(f"{mandate}/invitations", {"email": "ANNA@example.com"})
    assert_problem(answer, 409, "already_exists", "role")
    token = await house.invited(mandate, "anna@example.com", "finance")
    browser = house.browser()
    assert (await browser.sign_in(token=token)).status_code == 303
    assert [each["userId"] for each in (await browser.session())["mandates"]] == [user_id]
    answer = await house.api.post(f"{mandate}/invitations", {"email": "anna@example.com", "role": "finance"})
    assert_problem(answer, 409, "already_exists", "email")


async def test_who_belongs_already_is_told_so_and_the_invitation_stays(house: House, issuer: Issuer) -> None:
    mandate = await house.api.mandate()
    browser = house.browser()
    await browser.sign_in(token=await house.invited(mandate, "anna@example.com"))
    token = await house.invited(mandate, "b@example.com")
    refused = await browser.sign_in(token=token)
    assert refused.status_code == 409
    assert "already" in refused.text
    issuer.subject = "berta"
    assert (await house.browser().sign_in(token=token)).status_code == 303


async def test_an_invitation_ends_with_its_time_and_with_its_mandate(house: House) -> None:
    mandate = await house.api.mandate()
    token = await house.invited(mandate, "anna@example.com")
    await house.api.call("PATCH", mandate, {"status": "suspended"})
    assert (await house.browser().sign_in(token=token)).status_code == 410
    await house.api.call("PATCH", mandate, {"status": "active"})
    await house.execute("UPDATE invitation SET expires_at = now()")
    assert (await house.browser().sign_in(token=token)).status_code == 410
    await house.execute("UPDATE invitation SET expires_at = now() - interval '31 days'")
    await sweep(house.database)
    assert "anna" not in str((await house.api.get(f"{mandate}/invitations")).json())


async def test_without_a_provider_the_mailed_link_is_enough(plain_house: House) -> None:
    mandate = await plain_house.api.mandate()
    token = await plain_house.invited(mandate, "anna@example.com", "owner")
    browser = plain_house.browser()
    page = await browser.get("/auth/link", params={"token": token})
    assert "Accept and sign in" in page.text
    assert (await browser.submit("/auth/link", {"token": token})).status_code == 303
    session = await browser.session()
    assert session["person"] == {**session["person"], "displayName": "anna@example.com", "email": "anna@example.com"}
    assert (await browser.get(f"{mandate}/users")).status_code == 200
    assert (await plain_house.browser().submit("/auth/link", {"token": token})).status_code == 410


async def test_the_mail_arrives_in_its_language_and_leaves_nothing_behind(house: House, tmp_path: Path) -> None:
    mandate = await house.api.mandate("Müller & <Söhne>")
    body = {"email": "anna@example.com", "role": "finance", "language": "de"}
    invitation = await house.api.made(f"{mandate}/invitations", body)
    token = (await house.mailed())[0]
    channel = MaildirChannel(tmp_path / "mail", Address("Bursar", "bursar", "example.com"))
    mails = [
        PersonalMail(house.database.ledger_pool, channel, SECRETS, message_domain="bursar.example") for _ in range(2)
    ]
    assert sum(await asyncio.gather(*[mail.work_once() for mail in mails])) == 1
    assert await mails[0].work_once() == 0
    (message,) = list(mailbox.Maildir(str(tmp_path / "mail"), factory=None))
    assert message["to"] == "anna@example.com"
    plain, html = [part.get_payload(decode=True).decode() for part in message.get_payload()]  # type: ignore[union-attr]
    assert "Sie sind zu Müller & <Söhne> eingeladen, als Finanzen." in plain
    assert "Müller &amp; &lt;Söhne&gt;" in html
    assert token_of(next(line for line in plain.splitlines() if "/auth/link" in line)) == token
    assert token in html
    async with house.database.as_operator() as connection:
        row = await connection.fetchrow("SELECT about_id, state, sealed FROM sign_in_mail")
    assert row is not None
    assert tuple(row) == (UUID(invitation["id"]), "SENT", None)


async def test_a_mail_that_comes_too_late_is_not_sent(house: House, tmp_path: Path) -> None:
    mandate = await house.api.mandate()
    await house.api.made(f"{mandate}/invitations", {"email": "anna@example.com"})
    async with house.database.ledger_pool.acquire() as connection:
        await connection.execute("UPDATE sign_in_mail SET expires_at = now()")
    channel = MaildirChannel(tmp_path / "mail", Address("Bursar", "bursar", "example.com"))
    mail = PersonalMail(house.database.ledger_pool, channel, SECRETS, message_domain="bursar.example")
    await mail.start()
    try:
        async with asyncio.timeout(60):
            while await house.mailed():  # noqa: ASYNC110 -- another task changes the database
                await asyncio.sleep(0.02)
    finally:
        await mail.stop()
    assert not (tmp_path / "mail" / "new").exists() or list((tmp_path / "mail" / "new").iterdir()) == []


async def test_the_audit_log_says_who_invited_and_who_came(house: House) -> None:
    mandate = await house.api.mandate()
    browser = house.browser()
    await browser.sign_in(token=await house.invited(mandate, "anna@example.com", "owner"))
    identity = (await browser.session())["person"]["identityId"]
    async with house.database.as_operator() as connection:
        rows = await connection.fetch("SELECT action, actor FROM audit_entry WHERE action ~ '^(invitation|user)'")
    assert {tuple(row) for row in rows} == {
        ("invitation.created", "root"),
        ("invitation.changed", f"identity:{identity}"),
        ("user.created", f"identity:{identity}"),
    }


async def test_the_audit_log_says_who_became_an_operator(plain_house: House) -> None:
    browser = plain_house.browser()
    await browser.submit("/auth/link", {"token": await plain_house.printed()})
    identity = (await browser.session())["person"]["identityId"]
    async with plain_house.database.as_operator() as connection:
        rows = await connection.fetch("SELECT object, actor FROM audit_entry WHERE action = 'operator.added'")
    assert [tuple(row) for row in rows] == [(identity, f"identity:{identity}")]
