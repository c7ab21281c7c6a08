"""Webhooks: signed, to public addresses only, tried for days, disabled when they are dead. Real HTTPS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from bursar.notices import webhooks
from bursar.notices.channels.egress import Egress, EgressRefused, check_url, is_public
from bursar.notices.channels.webhook import WebhookChannel
from bursar.notices.delivery import Delivery
from tests.notices.certificates import make_certificate
from tests.notices.money_side import MoneySide
from tests.notices.worker import NO_REST
from tests.support.management import SECRETS, Api, assert_problem

A = "a@example.org"


@dataclass
class Receiver:
    """`statuses` are answered in turn, the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [204])
    received: list[tuple[dict[str, str], str]] = field(default_factory=list)
    port: int = 0

    async def __call__(self, request: web.Request) -> web.Response:
        self.received.append((dict(request.headers), await request.text()))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        headers = {"location": f"https://127.0.0.1:{self.port}/elsewhere"} if status == 302 else {}
        return web.Response(status=status, headers=headers)

    @property
    def url(self) -> str:
        return f"https://hooks.example.org:{self.port}/bursar"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem", "hooks.example.org")


@pytest.fixture
async def receiver(certificate: Path) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    receiver.port = runner.addresses[0][1]
    yield receiver
    await runner.cleanup()


async def here(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture
async def egress(certificate: Path) -> AsyncIterator[Egress]:
    """One that may talk to this machine, under any name."""
    egress = Egress(
        allowed=lambda _: True, lookup=here, tls=ssl.create_default_context(cafile=str(certificate)), timeout_seconds=5
    )
    yield egress
    await egress.close()


def sender(money: MoneySide, egress: Egress) -> Delivery:
    channel = WebhookChannel(money.database.ledger_pool, SECRETS, egress, now=money.clock.now)
    return Delivery(
        money.database.ledger_pool, [channel], public_url="https://bursar.example", pace=NO_REST, now=money.clock.now
    )


async def endpoint(money: MoneySide, mandate_id: UUID, receiver: Receiver) -> tuple[UUID, str]:
    return await webhooks.add_endpoint(money.database, SECRETS, mandate_id, receiver.url, "test")


async def test_a_notice_is_signed_and_says_the_figures(money: MoneySide, egress: Egress, receiver: Receiver) -> None:
    mandate_id = await money.mandate()
    money.clock.at = datetime.now(UTC)
    _, secret = await endpoint(money, mandate_id, receiver)
    await money.refuse(mandate_id, calls=12)
    await sender(money, egress).work_once()
    ((headers, body),) = receiver.received
    event: dict[str, Any] = Webhook(secret).verify(body, headers)
    assert event["type"] == "notice.exhausted"
    assert event["data"]["mandateId"] == str(mandate_id)
    assert (event["data"]["refusedCalls"], event["data"]["requiredAmount"]) == (12, "0.010000000")
    (row,) = await money.notices(mandate_id)
    assert (row["channel"], row["state"]) == ("webhook", "SENT")
    assert headers["webhook-id"] == f"msg_{row['notice_id']}"
    assert (await money.alert(mandate_id))["notified_at"] is None, "no person was told"
    stored = await money.database.ledger_pool.fetchval(
        "SELECT secrets[1] FROM webhook_endpoint WHERE mandate_id = $1", mandate_id
    )
    assert secret not in stored


async def test_a_rotated_secret_signs_beside_the_old_one(money: MoneySide, egress: Egress, receiver: Receiver) -> None:
    mandate_id = await money.mandate()
    money.clock.at = datetime.now(UTC)
    endpoint_id, first = await endpoint(money, mandate_id, receiver)
    second = await webhooks.rotate(money.database, SECRETS, mandate_id, endpoint_id)
    assert second is not None
    await money.refuse(mandate_id)
    await sender(money, egress).work_once()
    ((headers, body),) = receiver.received
    for secret in (first, second):
        Webhook(secret).verify(body, headers)
    third = await webhooks.rotate(money.database, SECRETS, mandate_id, endpoint_id)
    assert third is not None
    with pytest.raises(WebhookVerificationError):
        Webhook(third).verify(body, headers)


async def test_what_fails_is_tried_again_under_the_same_id(
    money: MoneySide, egress: Egress, receiver: Receiver
) -> None:
    mandate_id = await money.mandate()
    await endpoint(money, mandate_id, receiver)
    receiver.statuses = [500, 302, 429, 200]
    await money.refuse(mandate_id)
    delivery = sender(money, egress)
    for _ in range(6):
        await delivery.work_once()
        money.clock.pass_by(minutes=5)
    assert len(receiver.received) == 4, "a redirect is not followed, and is no success"
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    (found,) = await webhooks.list_endpoints(money.database, mandate_id)
    assert (found.failing_since, found.disabled_at) == (None, None)


@pytest.mark.parametrize(("status", "days"), [(410, 0), (500, 4)])
async def test_a_dead_endpoint_is_disabled_the_owner_told_and_the_missed_replayed(
    money: MoneySide, egress: Egress, receiver: Receiver, status: int, days: int
) -> None:
    mandate_id = await money.mandate()
    boss = await money.person(mandate_id, "Boss")
    async with money.database.as_mandate(mandate_id) as connection:
        await connection.execute("UPDATE app_user SET role = 'owner' WHERE user_id = $1", boss)
    endpoint_id, _ = await endpoint(money, mandate_id, receiver)
    receiver.statuses = [status]
    delivery = sender(money, egress)
    for _ in range(days + 1):
        await money.refuse(mandate_id)
        await delivery.work_once()
        money.clock.pass_by(days=1)
    (found,) = await webhooks.list_endpoints(money.database, mandate_id)
    assert found.disabled_at is not None
    assert (webhooks.DISABLED, boss) in [(each["kind"], each["user_id"]) for each in await money.inbox(mandate_id)]
    sent = len(receiver.received)
    await money.refuse(mandate_id)
    await delivery.work_once()
    assert len(receiver.received) == sent, "nothing more goes there"
    receiver.statuses = [200]
    queued = await webhooks.enable_and_replay(
        money.database.ledger_pool, mandate_id, endpoint_id, datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert queued == 1
    money.clock.at = datetime.now(UTC) + timedelta(seconds=1)
    await delivery.work_once()
    assert len(receiver.received) == sent + 1


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "10.1.2.3", "100.64.0.1", "0.0.0.0", "::1", "fe80::1%eth0", "::ffff:127.0.0.1",
     "fd00::1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "192.168.0.1"],
)  # fmt: skip
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "https://127.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/", "ftp://x",
     "https://", "https://user:pass@example.org/", "https://example.org/\nx", "https://example.org:99999/"],
)  # fmt: skip
async def test_only_https_to_public_hosts_can_be_set(api: Api, url: str) -> None:
    with pytest.raises(EgressRefused):
        check_url(url)
    mandate = await api.mandate()
    assert_problem(await api.post(f"{mandate}/webhooks", {"url": url}), 422, "invalid_request", "url")


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["169.254.169.254"], ["93.184.215.14", "127.0.0.1"], []])
async def test_a_name_that_points_inside_is_not_connected_to(receiver: Receiver, addresses: list[str]) -> None:
    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return addresses

    egress = Egress(lookup=lookup, timeout_seconds=2)
    with pytest.raises(OSError, match="no public address"):
        await egress.post(receiver.url, b"{}", {})
    await egress.close()
    assert receiver.received == []


async def test_a_name_that_rebinds_gains_nothing(receiver: Receiver, certificate: Path) -> None:
    """What was public when it was looked at first is this machine when it is connected to."""
    answers = [["93.184.215.14"], ["127.0.0.1"]]

    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return answers.pop(0)

    assert is_public((await lookup("hooks.example.org", 443))[0])
    egress = Egress(lookup=lookup, tls=ssl.create_default_context(cafile=str(certificate)), timeout_seconds=2)
    with pytest.raises(OSError, match="no public address"):
        await egress.post(receiver.url, b"{}", {})
    await egress.close()
    assert answers == []
    assert receiver.received == []


async def test_endpoints_over_http(api: Api) -> None:
    mandate = await api.mandate()
    made = await api.made(f"{mandate}/webhooks", {"url": "https://example.org/hook"})
    assert made["secret"].startswith("whsec_")
    (listed,) = (await api.get(f"{mandate}/webhooks")).json()["webhooks"]
    assert listed["url"] == "https://example.org/hook"
    assert "secret" not in listed
    path = f"{mandate}/webhooks/{made['id']}"
    assert (await api.post(f"{path}/rotate")).json()["secret"] != made["secret"]
    assert (await api.post(f"{path}/replay", {"since": "2026-01-01T00:00:00Z"})).json() == {"queued": 0}
    assert (await api.call("DELETE", path)).status_code == 204
    assert (await api.get(f"{mandate}/webhooks")).json()["webhooks"] == []
    for method, route, body in (("DELETE", "", None), ("POST", "/rotate", None)):
        assert_problem(await api.call(method, path + route, body), 404, "not_found")
    _, member = await api.person_key(mandate, "member")
    assert_problem(await api.post(f"{mandate}/webhooks", {"url": "https://x.org"}, key=member), 403, "forbidden")
