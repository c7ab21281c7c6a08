"""The e-mail channel against a real SMTP server in all its moods."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bursar.notices.channels import ChannelUnreachable, Letter
from bursar.notices.channels.email import EmailChannel
from bursar.notices.channels.mail_url import SmtpServer
from tests.notices.mail_host import MailHost

SENDER = Address("Bursar", "bursar", "example.net")
A, B, C = "a@example.org", "b@example.org", "c@example.org"


def letter(recipient: str, number: int = 0) -> Letter:
    return Letter(
        recipient=recipient,
        message_id=f"<{number}.{recipient.split('@')[0].encode().hex()}@example.net>",
        subject="Bursar: KI-Guthaben aufgebraucht – Müller (0198abcd)",
        text="Grüezi\n",
        html="<p>Grüezi</p>\n",
        language="de",
        date=datetime(2026, 11, 23, 9, 12, tzinfo=UTC),
    )


async def deliver(
    server: SmtpServer,
    *recipients: str,
    timeout_seconds: float = 5.0,
    tls_context: ssl.SSLContext | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> tuple[list[str], str | None]:
    """`["a SENT", …]` in the order of the recipients, and why the channel gave up, if it did."""
    channel = EmailChannel(server, SENDER, timeout_seconds=timeout_seconds, tls_context=tls_context)
    letters = [letter(recipient, number) for number, recipient in enumerate(recipients)]
    found: dict[str, str] = {}
    gave_up = None
    try:
        async for news in channel.deliver(letters, go_on=go_on):
            for sent, outcome in news:
                assert sent.message_id not in found, "one outcome a letter"
                dead = " dead" if outcome.dead_address else ""
                found[sent.message_id] = f"{sent.recipient.split('@')[0]} {outcome.verdict}{dead}"
    except ChannelUnreachable as error:
        gave_up = str(error)
    return [found[each.message_id] for each in letters if each.message_id in found], gave_up


async def test_many_letters_travel_on_one_connection(mail_host: MailHost) -> None:
    assert await deliver(mail_host.address(), A, B, C) == (["a SENT", "b SENT", "c SENT"], None)
    assert mail_host.recipients == [A, B, C]
    assert mail_host.connections == 1


async def test_a_crowd_of_letters_is_shared_by_a_few_connections(mail_host: MailHost) -> None:
    crowd = [f"p{number}@example.org" for number in range(45)]
    outcomes, gave_up = await deliver(mail_host.address(), *crowd)
    assert (len(outcomes), gave_up) == (45, None)
    assert mail_host.recipients == sorted(crowd)
    assert mail_host.connections == 4


async def test_each_recipient_is_alone_on_the_letter(mail_host: MailHost) -> None:
    await deliver(mail_host.address(), A, B)
    assert [(mail.recipient, mail.message["To"]) for mail in mail_host.received] == [(A, A), (B, B)]


async def test_one_refused_recipient_stops_no_other(mail_host: MailHost) -> None:
    mail_host.refuse = {B: "550 5.1.1 No such user here"}
    assert await deliver(mail_host.address(), A, B, C) == (["a SENT", "b REFUSED dead", "c SENT"], None)
    assert mail_host.recipients == [A, C]
    assert mail_host.connections == 1


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("550 No such user", "a REFUSED dead"),
        ("550 5.1.1 unknown", "a REFUSED dead"),
        ("550 5.2.1 mailbox disabled", "a REFUSED dead"),
        ("553 no mailbox of that name", "a REFUSED dead"),
        ("550 5.7.1 relaying denied", "a REFUSED"),
        ("554 5.7.1 listed at a blocklist", "a REFUSED"),
        ("550 5.1.8 sender's domain does not exist", "a REFUSED"),
        ("552 5.2.2 mailbox full", "a REFUSED"),
        ("451 4.7.1 greylisted, come back later", "a LATER"),
        ("452 too many recipients", "a LATER"),
    ],
)
async def test_what_a_refused_recipient_means(mail_host: MailHost, reply: str, outcome: str) -> None:
    mail_host.refuse = {"*": reply}
    assert await deliver(mail_host.address(), A) == ([outcome], None)


@pytest.mark.parametrize(
    ("reply", "outcome"), [("554 5.6.0 we do not like this", "a FAILED"), ("451 4.3.0 disk full", "a LATER")]
)
async def test_a_refused_letter_is_not_the_addresss_fault(mail_host: MailHost, reply: str, outcome: str) -> None:
    mail_host.refuse_data = {A: reply}
    assert await deliver(mail_host.address(), A, B) == ([outcome, "b SENT"], None)


async def test_nobody_listens() -> None:
    async with MailHost() as host:
        address = host.address()
    outcomes, gave_up = await deliver(address, A)
    assert outcomes == []
    assert gave_up is not None


async def test_a_server_that_says_nothing_is_given_up(mail_host: MailHost) -> None:
    mail_host.hang_at = "greeting"
    outcomes, gave_up = await deliver(mail_host.address(), A, timeout_seconds=0.1)
    assert (outcomes, gave_up is not None) == ([], True)


@pytest.mark.parametrize("place", ["rcpt", "data"])
async def test_a_server_that_hangs_in_mid_conversation_is_given_up(mail_host: MailHost, place: str) -> None:
    mail_host.hang_at = place
    outcomes, gave_up = await deliver(mail_host.address(), A, B, C, timeout_seconds=0.1)
    assert outcomes == ["a LATER", "b LATER"]
    assert gave_up is not None
    assert mail_host.attempts[C] == 0


@pytest.mark.parametrize("place", ["rcpt", "data", "reply"])
async def test_a_conversation_that_breaks_once_costs_one_letter(mail_host: MailHost, place: str) -> None:
    mail_host.die_at, mail_host.deaths = place, 1
    assert await deliver(mail_host.address(), A, B, C) == (["a LATER", "b SENT", "c SENT"], None)
    assert mail_host.connections == 2


async def test_a_server_that_always_dies_is_given_up(mail_host: MailHost) -> None:
    mail_host.die_at = "data"
    outcomes, gave_up = await deliver(mail_host.address(), A, B, C)
    assert outcomes == ["a LATER", "b LATER"]
    assert gave_up is not None


async def test_a_letter_is_begun_only_while_there_is_time(mail_host: MailHost) -> None:
    permits = iter([True, True, False])
    assert await deliver(mail_host.address(), A, B, C, go_on=lambda: next(permits, False)) == (["a SENT"], None)
    assert mail_host.recipients == [A]


async def test_an_abandoned_delivery_leaves_no_task_behind(mail_host: MailHost) -> None:
    mail_host.hang_at = "data"
    channel = EmailChannel(mail_host.address(), SENDER)
    deliveries = channel.deliver([letter(A)], go_on=lambda: True)
    first = asyncio.ensure_future(anext(deliveries))
    await mail_host.hanging.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("smtp-")] == []


# --- TLS and authentication ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.org")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_starttls_and_a_password(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async with MailHost(tls=server_tls, users={b"bursar": b"s3cret"}) as host:
        address = host.address(tls="starttls", user="bursar", password="s3cret")
        assert await deliver(address, A, B, tls_context=trusting) == (["a SENT", "b SENT"], None)
        assert [(mail.over_tls, mail.user) for mail in host.received] == [(True, "bursar")] * 2


async def test_implicit_tls_and_a_password(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async with MailHost(tls=server_tls, implicit_tls=True, users={b"bursar": b"s3cret"}) as host:
        address = host.address(tls="implicit", user="bursar", password="s3cret")
        assert await deliver(address, A, tls_context=trusting) == (["a SENT"], None)
        assert [(mail.over_tls, mail.user) for mail in host.received] == [(True, "bursar")]


async def test_a_wrong_password_is_the_operators_trouble(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async with MailHost(tls=server_tls, users={b"bursar": b"s3cret"}) as host:
        address = host.address(tls="starttls", user="bursar", password="wrong")
        outcomes, gave_up = await deliver(address, A, tls_context=trusting)
        assert outcomes == []
        assert gave_up is not None
        assert "535" in gave_up or "Authentication" in gave_up
        assert "wrong" not in gave_up


async def test_a_certificate_that_nobody_vouches_for_is_refused(server_tls: ssl.SSLContext) -> None:
    async with MailHost(tls=server_tls) as host:
        assert (await deliver(host.address(tls="starttls"), A))[0] == []
        assert host.received == []


async def test_opportunistic_tls_takes_what_there_is(server_tls: ssl.SSLContext) -> None:
    async with MailHost(tls=server_tls) as host, MailHost() as plain:
        assert await deliver(host.address(tls="opportunistic"), A) == (["a SENT"], None)
        assert await deliver(plain.address(tls="opportunistic"), A) == (["a SENT"], None)
        assert [mail.over_tls for mail in (*host.received, *plain.received)] == [True, False]


async def test_required_starttls_is_never_given_up(mail_host: MailHost) -> None:
    outcomes, gave_up = await deliver(mail_host.address(tls="starttls"), A)
    assert outcomes == []
    assert gave_up is not None
    assert mail_host.received == []


# --- addresses outside ASCII -----------------------------------------------------------------------------------------


async def test_an_address_outside_ascii(mail_host: MailHost) -> None:
    assert await deliver(mail_host.address(), "käthi@müller.example") == (["käthi SENT"], None)
    assert mail_host.recipients == ["käthi@xn--mller-kva.example"]


async def test_a_domain_outside_ascii_needs_nothing_special(mail_host: MailHost) -> None:
    await deliver(mail_host.address(), "kaethi@müller.example")
    assert mail_host.recipients == ["kaethi@xn--mller-kva.example"]
