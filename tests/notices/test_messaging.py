"""Teams, Slack and SMS by the real apprise, over real TLS, behind the wall."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import orjson
import pytest
import requests
from aiohttp import web

from bursar.notices import samples, webhooks
from bursar.notices.channels.egress import is_public
from bursar.notices.channels.guarded_requests import GuardedRequests, remembered
from bursar.notices.channels.messaging import MessagingChannel, read_messaging_url
from bursar.notices.delivery import Delivery
from tests.notices.certificates import make_certificate
from tests.notices.money_side import MoneySide
from tests.notices.worker import NO_REST
from tests.support.management import SECRETS, Api, assert_problem

SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
TEAMS = (
    "https://prod-12.westeurope.logic.azure.com:443/workflows/643e69f83c8944/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A"
)
SMS = "twilio://AC735c307c62944b5abcdefabcdefabcdef:e29dfbcebf390dee9abcdefabcdefabc@+41791234567/+41797654321"
HOSTS = ("hooks.slack.com", "prod-12.westeurope.logic.azure.com", "api.twilio.com")


@dataclass
class Provider:
    """Answers as Slack, Teams and Twilio would; `status` is what it says to everybody."""

    status: int = 200
    location: str = ""
    received: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    dialled: list[str] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.Response:
        self.received.append((request.host.partition(":")[0], await request.text()))
        headers = {"location": self.location} if self.location else {}
        return web.Response(status=self.status, body=b"ok", headers=headers)

    def dial(self, address: str, _port: int, timeout_seconds: float) -> socket.socket:
        """Wherever the name points to: here."""
        self.dialled.append(address)
        return socket.create_connection(("127.0.0.1", self.port), timeout_seconds)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem", *HOSTS)


@pytest.fixture
async def provider(certificate: Path) -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    provider.port = runner.addresses[0][1]
    yield provider
    await runner.cleanup()


def public(_host: str, _port: int) -> Sequence[str]:
    return ["93.184.216.34"]


@pytest.fixture
def wall(provider: Provider, certificate: Path) -> GuardedRequests:
    return GuardedRequests(lookup=public, dial=provider.dial, certificates=str(certificate))


@pytest.fixture
def sender(money: MoneySide, wall: GuardedRequests) -> Delivery:
    pool = money.database.ledger_pool
    channel = MessagingChannel(pool, SECRETS, requests=wall, now=money.clock.now)
    return Delivery(pool, [channel], public_url="https://bursar.example", pace=NO_REST, now=money.clock.now)


async def channel_of(money: MoneySide, mandate_id: UUID, url: str) -> UUID:
    target = read_messaging_url(url)
    return await webhooks.add_messaging(
        money.database, SECRETS, mandate_id, transport=target.transport, url=url, label=target.label, actor="test"
    )


@pytest.mark.parametrize(("url", "host"), zip((SLACK, TEAMS, SMS), HOSTS, strict=True))
async def test_a_shortage_and_its_end_are_told(
    money: MoneySide, sender: Delivery, provider: Provider, url: str, host: str
) -> None:
    mandate_id = await money.mandate(language="en")
    endpoint_id = await channel_of(money, mandate_id, url)
    provider.status = 201 if host == "api.twilio.com" else 200
    await money.refuse(mandate_id, calls=12)
    await sender.work_once()
    ((asked, body),) = provider.received
    assert asked == host
    assert "12" in body
    assert str(mandate_id)[:8] in body
    (row,) = await money.notices(mandate_id)
    assert (row["channel"], row["recipient"], row["state"]) == ("messaging", f"messaging:{endpoint_id}", "SENT")
    await money.fund(mandate_id)
    await sender.work_once()
    assert len(provider.received) == 2, "funded again"
    stored = await money.database.ledger_pool.fetchval(
        "SELECT url FROM webhook_endpoint WHERE mandate_id = $1", mandate_id
    )
    assert all(part not in stored for part in ("TIiajkdnlazkcOXrIdevi7FQ", "KODuebWb", "e29dfbce")), "it is encrypted"


async def test_a_failure_names_its_recipient_and_keeps_nothing_from_the_others(
    money: MoneySide, sender: Delivery, provider: Provider
) -> None:
    mandate_id = await money.mandate()
    slack, teams = await channel_of(money, mandate_id, SLACK), await channel_of(money, mandate_id, TEAMS)
    provider.status = 202  # Teams says so; Slack says 200.
    await money.refuse(mandate_id)
    await sender.work_once()
    rows = {row["recipient"]: row for row in await money.notices(mandate_id)}
    assert rows[f"messaging:{teams}"]["state"] == "SENT"
    failed = rows[f"messaging:{slack}"]
    assert (failed["state"], failed["last_error"]) == ("QUEUED", "202 ok")
    provider.status = 200
    money.clock.pass_by(minutes=5)
    await sender.work_once()
    assert {row["state"] for row in await money.notices(mandate_id)} == {"SENT"}


@pytest.mark.parametrize("status", [404, 410])
async def test_one_that_is_gone_is_switched_off_and_the_owner_told(
    money: MoneySide, sender: Delivery, provider: Provider, status: int
) -> None:
    mandate_id = await money.mandate()
    owner = await money.person(mandate_id, "Olga")
    async with money.database.as_mandate(mandate_id) as connection:
        await connection.execute("UPDATE app_user SET role = 'owner' WHERE mandate_id = $1", mandate_id)
    await channel_of(money, mandate_id, SLACK)
    provider.status = status
    await money.refuse(mandate_id)
    await sender.work_once()
    (row,) = await money.notices(mandate_id)
    assert row["state"] == "REFUSED"
    (endpoint,) = await webhooks.list_endpoints(money.database, mandate_id, webhooks=False)
    assert endpoint.disabled_at is not None
    items = [item for item in await money.inbox(mandate_id) if item["kind"] == webhooks.DISABLED]
    assert [item["user_id"] for item in items] == [owner]
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in str(items[0]["payload"])


async def test_lasting_failure_switches_it_off(money: MoneySide, sender: Delivery, provider: Provider) -> None:
    mandate_id = await money.mandate()
    await channel_of(money, mandate_id, SLACK)
    provider.status = 500
    await money.refuse(mandate_id)
    await sender.work_once()
    money.clock.at += timedelta(days=2, hours=23)
    await sender.work_once()
    (endpoint,) = await webhooks.list_endpoints(money.database, mandate_id, webhooks=False)
    assert endpoint.disabled_at is None
    money.clock.at += timedelta(hours=2)
    await sender.work_once()
    (endpoint,) = await webhooks.list_endpoints(money.database, mandate_id, webhooks=False)
    assert endpoint.disabled_at is not None


async def test_a_test_goes_the_way_of_all_notices(money: MoneySide, sender: Delivery, provider: Provider) -> None:
    mandate_id = await money.mandate(language="fr")
    endpoint_id = await channel_of(money, mandate_id, SLACK)
    await samples.queue_test(money.database.ledger_pool, mandate_id, f"messaging:{endpoint_id}", money.clock.at)
    await sender.work_once()
    ((_, body),) = provider.received
    assert "Message d" in orjson.loads(body)["attachments"][0]["title"]
    assert await money.states(mandate_id, "TEST") == [f"messaging:{endpoint_id} SENT"]


# --- the wall --------------------------------------------------------------------------------------------------------


def rebinding() -> Callable[[str, int], Sequence[str]]:
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    return lambda _host, _port: answers.pop(0)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.7", "::1", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_nothing_is_sent_to_this_machine_or_its_network(provider: Provider, address: str) -> None:
    wall = GuardedRequests(allowed=is_public, lookup=lambda _host, _port: [address], dial=provider.dial)
    with remembered() as answer, pytest.raises(requests.ConnectionError):
        wall.post("https://hooks.slack.com/services", data="x")
    assert "no public address" in answer.text
    assert provider.dialled == []


async def test_a_name_that_rebinds_is_connected_to_where_it_was_checked(provider: Provider) -> None:
    wall = GuardedRequests(lookup=rebinding(), dial=provider.dial)
    with pytest.raises(requests.exceptions.SSLError):  # No certificate that the world vouches for.
        await asyncio.to_thread(wall.post, "https://hooks.slack.com/services", data="x")
    assert provider.dialled == ["93.184.216.34"], "looked up once, and that is where it goes"
    with pytest.raises(requests.ConnectionError):
        await asyncio.to_thread(wall.post, "https://hooks.slack.com/services", data="x")
    assert provider.dialled == ["93.184.216.34"]


async def test_redirects_are_not_followed(wall: GuardedRequests, provider: Provider) -> None:
    provider.status, provider.location = 302, "https://hooks.slack.com/elsewhere"
    answered = await asyncio.to_thread(wall.post, "https://hooks.slack.com/services", data="x", allow_redirects=True)
    assert answered.status_code == 302
    assert len(provider.received) == 1


async def test_only_https(wall: GuardedRequests) -> None:
    with pytest.raises(requests.exceptions.InvalidSchema):
        wall.get("http://hooks.slack.com/services", verify=False)


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1",
        "file:///etc/passwd",
        "mailto://user:pass@example.org",
        "https://hooks.example.org/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "https://hooks.slack.com.evil.example/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "http://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        f"{SLACK}?verify=no",
        f"{TEAMS}&template=/etc/passwd",
        f"{SMS}/+41797654322",
        "slack://T1JJ3T3L2",
        "https://[",
        "twilio://",
    ],
)
async def test_what_is_not_taken_is_refused_and_named(api: Api, url: str) -> None:
    mandate = await api.mandate()
    answer = await api.post(f"{mandate}/channels", {"url": url})
    assert_problem(answer, 422, "invalid_request", "url")


async def test_by_the_api(api: Api) -> None:
    mandate = await api.mandate()
    path = f"{mandate}/channels"
    added = await api.post(path, {"url": SMS})
    assert added.status_code == 201, added.text
    channel = added.json()
    assert channel["transport"] == "sms"
    listed = (await api.get(path)).json()["channels"]
    assert [each["id"] for each in listed] == [channel["id"]]
    assert "e29dfbce" not in str(listed)
    assert (await api.get(f"{mandate}/webhooks")).json() == {"webhooks": []}
    tested = await api.post(f"{path}/{channel['id']}/test")
    assert (tested.status_code, tested.json()["recipient"]) == (202, f"messaging:{channel['id']}")
    assert (await api.call("DELETE", f"{path}/{channel['id']}")).status_code == 204
    assert (await api.post(f"{path}/{channel['id']}/test")).status_code == 404


async def test_a_webhook_is_tested_by_the_api(api: Api) -> None:
    mandate = await api.mandate()
    added = await api.made(f"{mandate}/webhooks", {"url": "https://hooks.example.org/bursar"})
    tested = await api.post(f"{mandate}/webhooks/{added['id']}/test")
    assert (tested.status_code, tested.json()["recipient"]) == (202, f"webhook:{added['id']}")
    assert (await api.post(f"{mandate}/channels/{added['id']}/test")).status_code == 404, "it is no channel"
    listed = (await api.get(f"{mandate}/notices")).json()
    rows = listed["notices"] if isinstance(listed, dict) and "notices" in listed else listed.get("items", listed)
    assert [(row["kind"], row["channel"]) for row in rows] == [("TEST", "webhook")]
    preview = (await api.post(f"{mandate}/notices/preview", {"kind": "EXHAUSTED", "language": "en"})).json()
    assert preview["brief"].startswith("The AI credit of")
    assert "/billing?mandate=" in preview["brief"]
