"""Thresholds, silences, previews, tests and unsubscribing, over HTTP and with real mails."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from bursar.notices.kinds import KINDS
from bursar.notices.unsubscribing import UnsubscribeLinks
from tests.notices.mail_host import MailHost
from tests.notices.money_side import MoneySide
from tests.notices.worker import worker
from tests.support.management import PUBLIC_URL, SECRETS, Api, assert_problem

A, B = "a@example.org", "b@example.org"


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def test_thresholds_are_amounts_and_percents(api: Api) -> None:
    mandate = await api.mandate()
    path = f"{mandate}/notice-settings"
    assert (await api.get(path)).json() == {
        "lowBalanceThresholds": [], "runningOutHours": 72, "limitNearPercent": 80, "notifyEmails": [],
    }  # fmt: skip
    body = {"lowBalanceThresholds": ["20 %", "10.00", "5%", "2.5"], "runningOutHours": 24}
    changed = (await api.call("PUT", path, body)).json()
    assert changed["lowBalanceThresholds"] == ["2.500000000", "10.000000000", "5%", "20%"]
    assert (await api.call("PUT", path, {"limitNearPercent": 0})).json() == {**changed, "limitNearPercent": 0}
    for wrong in (["0%"], ["100%"], ["-1"], ["x"]):
        answer = await api.call("PUT", path, {"lowBalanceThresholds": wrong})
        assert_problem(answer, 422, "invalid_request", "lowBalanceThresholds")


async def test_members_change_nothing(api: Api) -> None:
    mandate = await api.mandate()
    _, key = await api.person_key(mandate, "member")
    for method, route in (("PUT", "notice-settings"), ("POST", "silences"), ("POST", "notices/test")):
        body = {"endsAt": in_days(1)} if route == "silences" else {}
        assert_problem(await api.call(method, f"{mandate}/{route}", body, key=key), 403, "forbidden")


async def test_a_silence_holds_back_and_its_end_tells(api: Api, money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A)
    path = f"/api/mandates/{mandate_id}/silences"
    money.clock.at = datetime.now(UTC)
    made = await api.made(path, {"kind": "EXHAUSTED", "endsAt": in_days(1), "reason": "Holidays"})
    assert [each["id"] for each in (await api.get(path)).json()["silences"]] == [made["id"]]
    delivery = worker(money, mail_host)
    await money.refuse(mandate_id, calls=7)
    money.clock.pass_by(hours=23)
    await money.refuse(mandate_id)
    await delivery.work_once()
    assert mail_host.received == []
    money.clock.pass_by(hours=2)
    await delivery.work_once()
    await delivery.work_once()
    assert mail_host.recipients == [A]
    (row,) = await money.notices(mandate_id)
    assert row["payload"]["calls"] == 8, "what happened meanwhile is told"


async def test_a_silence_holds_back_what_is_queued_and_can_be_ended(
    api: Api, money: MoneySide, mail_host: MailHost
) -> None:
    mandate_id = await money.mandate(A)
    path = f"/api/mandates/{mandate_id}/silences"
    money.clock.at = datetime.now(UTC) - timedelta(seconds=1)
    await money.refuse(mandate_id)
    made = await api.made(path, {"endsAt": in_days(1)})
    delivery = worker(money, mail_host)
    await delivery.work_once()
    assert mail_host.received == []
    assert (await api.call("DELETE", f"{path}/{made['id']}")).status_code == 204
    assert_problem(await api.call("DELETE", f"{path}/{made['id']}"), 404, "not_found")
    money.clock.at = datetime.now(UTC) + timedelta(seconds=1)
    await delivery.work_once()
    assert mail_host.recipients == [A]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"endsAt": in_days(-1)}, "endsAt"),
        ({"endsAt": in_days(91)}, "endsAt"),
        ({"endsAt": in_days(1), "kind": "X"}, "kind"),
    ],
)
async def test_a_silence_has_an_end_and_a_kind_that_exists(api: Api, body: dict[str, str], field: str) -> None:
    mandate = await api.mandate()
    assert_problem(await api.post(f"{mandate}/silences", body), 422, "invalid_request", field)


async def test_every_kind_can_be_previewed(api: Api) -> None:
    mandate = await api.mandate()
    for kind in KINDS:
        seen = (await api.post(f"{mandate}/notices/preview", {"kind": kind, "language": "fr"})).json()
        assert seen["language"] == "fr"
        assert "Helvetia Treuhand AG" in seen["subject"]
        assert "<h1" in seen["html"]
        assert seen["text"]
    assert_problem(await api.post(f"{mandate}/notices/preview", {"kind": "X"}), 422, "invalid_request", "kind")


async def test_a_test_mail_goes_to_addresses_of_the_settings_only(
    api: Api, money: MoneySide, mail_host: MailHost
) -> None:
    mandate_id = await money.mandate(A)
    path = f"/api/mandates/{mandate_id}/notices/test"
    for body in ({"address": "stranger@example.org"}, {}):
        assert_problem(await api.post(path, body), 422, "invalid_request", "address")
    _, key = await api.person_key(f"/api/mandates/{mandate_id}", "finance")
    assert (await api.post(path, {"address": A})).status_code == 202
    assert (await api.post(path, {"address": A})).status_code == 202
    assert (await api.post(path, {}, key=key)).json()["recipient"] == "finance@example.com"
    money.clock.at = datetime.now(UTC) + timedelta(seconds=1)
    await worker(money, mail_host).work_once()
    assert mail_host.recipients == [A, "finance@example.com"]
    assert "Testnachricht" in mail_host.received[0].message["Subject"]


async def test_whoever_unsubscribes_gets_no_more_and_the_owner_sees_it(
    api: Api, money: MoneySide, mail_host: MailHost
) -> None:
    mandate_id = await money.mandate(A, B, name="<script>alert(1)</script>")
    delivery = worker(money, mail_host, links=UnsubscribeLinks(SECRETS, PUBLIC_URL))
    money.clock.at = datetime.now(UTC)
    await money.refuse(mandate_id)
    await delivery.work_once()
    message = next(each.message for each in mail_host.received if each.recipient == A)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = re.sub(r"[<>\s]", "", message["List-Unsubscribe"])
    assert link.startswith(f"{PUBLIC_URL}/unsubscribe?token=")
    body = message.get_body(("plain",))
    assert body is not None
    assert link in body.get_content()
    target = urlsplit(link)
    path = f"{target.path}?{target.query}"
    page = await api.get(path, key=None)
    assert page.status_code == 200
    assert A in page.text
    assert "<script>" not in page.text
    states = (await api.get(f"/api/mandates/{mandate_id}/notice-settings")).json()["notifyEmails"]
    assert [each["state"] for each in states] == ["ok", "ok"], "looking changes nothing"
    posted = await api.call("POST", path, key=None, content=b"List-Unsubscribe=One-Click")
    assert posted.status_code == 200
    states = (await api.get(f"/api/mandates/{mandate_id}/notice-settings")).json()["notifyEmails"]
    assert [(each["address"], each["state"]) for each in states] == [(A, "unsubscribed"), (B, "ok")]
    money.clock.pass_by(hours=1)
    await money.refuse(mandate_id)
    await delivery.work_once()
    assert mail_host.recipients == [A, B, B]


@pytest.mark.parametrize("token", ["", "x", "x.y", "ä.ö", "e30.e30"])
async def test_a_forged_link_does_nothing(api: Api, token: str) -> None:
    for method in ("GET", "POST"):
        answer = await api.call(method, "/unsubscribe", key=None, params={"token": token})
        assert answer.status_code == 404


async def test_dead_addresses_are_shown_where_they_are_edited(api: Api, money: MoneySide, mail_host: MailHost) -> None:
    mandate_id = await money.mandate(A, B)
    mail_host.refuse = {B: "550 5.1.1 no such user"}
    await money.refuse(mandate_id)
    await worker(money, mail_host).work_once()
    (good, dead) = (await api.get(f"/api/mandates/{mandate_id}/notice-settings")).json()["notifyEmails"]
    assert good["state"] == "ok"
    assert (dead["address"], dead["state"], dead["reason"]) == (B, "dead", "550 5.1.1 no such user")
