"""What people find in the application, live and later, and asking for a top-up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from bursar.notices.asking import ask, decide
from bursar.notices.reading import Inbox
from bursar.notices.routes_people import events
from bursar.notices.unsubscribing import UnsubscribeLinks, unsubscribe
from tests.notices.mail_host import MailHost
from tests.notices.money_side import MoneySide
from tests.notices.worker import worker
from tests.support.management import PUBLIC_URL, SECRETS, Api, assert_problem

A = "finance@example.org"


async def test_a_shortage_is_in_the_inbox_of_owners_and_finance_in_their_language(api: Api, money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    mandate = f"/api/mandates/{mandate_id}"
    _, boss = await api.person_key(mandate, "owner")
    french = await api.user(mandate, "claire", role="finance", language="fr")
    claire = await api.key(mandate, "admin", french)
    _, member = await api.person_key(mandate, "member")
    await money.refuse(mandate_id, calls=3)
    (item,) = (await api.get(f"{mandate}/inbox", key=claire)).json()["items"]
    assert item["title"] == "Crédit IA épuisé"
    assert "3 requêtes d’IA ont été refusées" in item["text"]
    assert (await api.get(f"{mandate}/inbox", key=member)).json() == {"items": [], "nextCursor": None}
    assert (await api.post(f"{mandate}/inbox/{item['id']}/read", key=member)).json() == {"read": 0}, "not theirs"
    assert (await api.post(f"{mandate}/inbox/{item['id']}/read", key=claire)).json() == {"read": 1}
    assert (await api.get(f"{mandate}/inbox?unread=true", key=claire)).json()["items"] == []
    assert len((await api.get(f"{mandate}/inbox?unread=true", key=boss)).json()["items"]) == 1
    assert (await api.post(f"{mandate}/inbox/read", key=boss)).json() == {"read": 1}
    assert_problem(await api.get(f"{mandate}/inbox", key=await api.key(mandate, "admin")), 403, "forbidden")


async def test_the_inbox_has_pages(api: Api, money: MoneySide) -> None:
    mandate_id = await money.mandate(cooldown_seconds=60)
    mandate = f"/api/mandates/{mandate_id}"
    _, key = await api.person_key(mandate, "owner")
    for _ in range(3):
        await money.refuse(mandate_id)
        money.clock.pass_by(hours=1)
    first = (await api.get(f"{mandate}/inbox?limit=2", key=key)).json()
    second = (await api.get(f"{mandate}/inbox", key=key, params={"cursor": first["nextCursor"]})).json()
    found = [each["id"] for each in (*first["items"], *second["items"])]
    assert len(set(found)) == 3
    assert second["nextCursor"] is None
    assert_problem(await api.get(f"{mandate}/inbox?cursor=x", key=key), 422, "invalid_request", "cursor")


async def next_news(stream: AsyncIterator[bytes]) -> bytes:
    """Whatever comes that does not only say that the connection is alive."""
    return await anext(event async for event in stream if not event.startswith(b":"))


async def test_news_come_live_and_nothing_is_missed_after_a_break(api: Api, money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    user_id, key = await api.person_key(f"/api/mandates/{mandate_id}", "owner")
    caller = await api.wiring.authenticator.authenticate(key)
    assert caller is not None
    assert caller.mandate is not None
    assert caller.person is not None
    assert str(caller.person.user_id) == user_id
    inbox = Inbox(money.database, caller.mandate, caller.person, "https://bursar.example")
    live = inbox.live(poll_seconds=0.01)
    stream = events(await anext(live), live)
    assert await anext(stream) == b": listening\n\n"
    waiting = asyncio.ensure_future(next_news(stream))
    await money.refuse(mandate_id)
    event = await waiting
    assert b"event: notice\n" in event
    assert b"KI-Guthaben aufgebraucht" in event
    await live.aclose()
    cursor = event.split(b"\n")[0].removeprefix(b"id: ").decode()
    money.clock.pass_by(hours=2)
    await money.refuse(mandate_id)
    again = inbox.live(cursor, poll_seconds=0.01)
    (missed,) = await anext(again)
    assert missed.created_at == money.clock.at
    await again.aclose()


async def test_requests_are_collected_in_one_notice(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, language="en")
    pool = money.database.ledger_pool
    anna, ben = [await money.person(mandate_id, name) for name in ("Anna <b>", "Ben")]
    delivery = worker(money, mail_host)
    await ask(pool, mandate_id, anna, "For the offer", money.clock.at)
    await ask(pool, mandate_id, anna, "For the offer to Müller & Co.", money.clock.at)
    await ask(pool, mandate_id, ben, "Translations", money.clock.at)
    await delivery.work_once()
    await delivery.work_once()
    (mail,) = mail_host.received
    plain, html = (mail.message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    for part in ("2 people ask", "Anna <b>: For the offer to Müller & Co.", "Ben: Translations", "/billing?mandate="):
        assert part in plain.get_content()
    assert "<b>" not in html.get_content()
    assert "Ben" not in str((await money.notices(mandate_id, "TOP_UP_REQUESTED"))[0]["payload"]), "no names are kept"


async def test_a_request_within_the_cooldown_is_told_when_it_ends(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    pool = money.database.ledger_pool
    anna, ben = [await money.person(mandate_id, name) for name in ("Anna", "Ben")]
    delivery = worker(money, mail_host)
    await ask(pool, mandate_id, anna, "One", money.clock.at)
    await delivery.work_once()
    money.clock.pass_by(minutes=5)
    await ask(pool, mandate_id, ben, "Two", money.clock.at)
    await delivery.work_once()
    assert len(mail_host.received) == 1
    money.clock.pass_by(hours=1)
    await delivery.work_once()
    assert len(mail_host.received) == 2


async def test_what_is_decided_before_the_mail_went_out_is_not_told(money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    pool = money.database.ledger_pool
    anna = await money.person(mandate_id, "Anna")
    asked = await ask(pool, mandate_id, anna, "One", money.clock.at)
    decided = await decide(pool, mandate_id, asked.request_id, approve=True, actor="test", at=money.clock.at)
    assert decided is not None
    assert await decide(pool, mandate_id, asked.request_id, approve=True, actor="test", at=money.clock.at) is None
    await worker(money, mail_host).work_once()
    assert mail_host.received == []
    assert [(each["kind"], each["user_id"]) for each in await money.inbox(mandate_id)] == [("TOP_UP_APPROVED", anna)]


async def decided(money: MoneySide, mandate_id: UUID, user_id: UUID, *, approve: bool = True) -> None:
    pool = money.database.ledger_pool
    asked = await ask(pool, mandate_id, user_id, "One", money.clock.at)
    await decide(pool, mandate_id, asked.request_id, approve=approve, actor="test", at=money.clock.at)


async def test_whoever_asked_hears_by_mail_in_their_own_language(
    api: Api, money: MoneySide, mail_host: MailHost
) -> None:
    mandate_id = await money.mandate(language="de")
    mandate = f"/api/mandates/{mandate_id}"
    claire, dario = [
        UUID(await api.user(mandate, name, language=language)) for name, language in (("claire", "fr"), ("dario", "it"))
    ]
    nobody = await money.person(mandate_id, "Without an address")
    await decided(money, mandate_id, claire)
    await decided(money, mandate_id, dario, approve=False)
    await decided(money, mandate_id, nobody)
    links = UnsubscribeLinks(SECRETS, PUBLIC_URL)
    await worker(money, mail_host, links=links).work_once()
    mails = {each.recipient: each.message for each in mail_host.received}
    assert mails.keys() == {"claire@example.com", "dario@example.com"}
    assert "Votre demande a été acceptée" in mails["claire@example.com"]["Subject"]
    body = mails["claire@example.com"].get_body(("plain",))
    assert body is not None
    assert "Demandé le : 23 novembre 2026" in body.get_content().replace("\xa0", " ")
    assert "votre propre utilisation" in body.get_content()
    assert "La sua richiesta è stata respinta" in mails["dario@example.com"]["Subject"]
    assert await money.states(mandate_id, "TOP_UP_APPROVED") == ["claire@example.com SENT"]


async def test_whoever_wants_no_more_mails_hears_in_the_application_only(
    api: Api, money: MoneySide, mail_host: MailHost
) -> None:
    mandate_id = await money.mandate()
    anna = UUID(await api.user(f"/api/mandates/{mandate_id}", "anna"))
    await unsubscribe(money.database.ledger_pool, mandate_id, "anna@example.com")
    await decided(money, mandate_id, anna)
    await worker(money, mail_host).work_once()
    assert mail_host.received == []
    assert [each["kind"] for each in await money.inbox(mandate_id)] == ["TOP_UP_APPROVED"]


async def test_what_a_server_does_not_take_now_is_told_later(api: Api, money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate()
    anna = UUID(await api.user(f"/api/mandates/{mandate_id}", "anna"))
    delivery = worker(money, mail_host)
    mail_host.refuse_data["*"] = "554 5.7.1 policy"
    await decided(money, mandate_id, anna)
    await delivery.work_once()
    mail_host.refuse_data.clear()
    money.clock.pass_by(minutes=5)
    await delivery.work_once()
    assert await money.states(mandate_id, "TOP_UP_APPROVED") == ["anna@example.com SENT"]


async def test_asking_over_http(api: Api, money: MoneySide) -> None:
    mandate_id = await money.mandate(A, language="en")
    mandate = f"/api/mandates/{mandate_id}"
    member_id, member = await api.person_key(mandate, "member")
    _, other = await api.person_key(mandate, "member", "other")
    _, finance = await api.person_key(mandate, "finance")
    path = f"{mandate}/top-up-requests"
    made = await api.made(path, {"reason": "For the offer"}, key=member)
    assert (made["state"], made["userId"]) == ("OPEN", member_id)
    assert (await api.get(path, key=other)).json() == {"requests": [], "nextCursor": None}
    assert [each["name"] for each in (await api.get(path, key=finance)).json()["requests"]] == ["Member"]
    assert (
        (await api.get(f"{mandate}/inbox", key=finance))
        .json()["items"][0]["text"]
        .startswith("At Helvetia Treuhand AG, one person asks for more AI credit.")
    )
    assert_problem(await api.post(f"{path}/{made['id']}/approve", key=member), 403, "forbidden")
    approved = (await api.post(f"{path}/{made['id']}/approve", key=finance)).json()
    assert approved["billingUrl"] == f"https://bursar.example/billing?mandate={mandate_id}"
    assert_problem(await api.post(f"{path}/{made['id']}/decline", key=finance), 404, "not_found")
    (news,) = (await api.get(f"{mandate}/inbox", key=member)).json()["items"]
    assert news["title"] == "Your request has been approved"
    assert_problem(await api.post(path, {"reason": ""}, key=member), 422, "invalid_request", "reason")
    service = await api.key(mandate, "service")
    assert_problem(await api.post(path, {"reason": "x"}, key=service), 403, "forbidden")
