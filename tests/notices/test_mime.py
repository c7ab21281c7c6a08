"""A letter as an internet message, and the maildir that takes it."""

from __future__ import annotations

import mailbox
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from bursar.notices.channels import ChannelUnreachable, Letter, Outcome, Verdict
from bursar.notices.channels.maildir import MaildirChannel
from bursar.notices.mime import SenderError, needs_utf8, read_sender, to_bytes

SENDER = Address("Bursar", "bursar", "example.net")
LETTER = Letter(
    recipient="finance@example.org",
    message_id="<0198abcd@example.net>",
    subject="Bursar: KI-Guthaben aufgebraucht – 🎉 " + "sehr langer Name " * 8,
    text="Grüezi\n",
    html="<p>Grüezi 🎉</p>\n",
    language="de",
    date=datetime(2026, 11, 23, 9, 12, tzinfo=UTC),
)


def parsed(letter: Letter) -> EmailMessage:
    data = to_bytes(letter, SENDER)
    assert data.isascii(), "every server can take it"
    assert max(len(line) for line in data.splitlines()) <= 998
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def test_headers() -> None:
    message = parsed(LETTER)
    assert message["From"] == "Bursar <bursar@example.net>"
    assert message["To"] == "finance@example.org"
    assert message["Subject"].strip() == LETTER.subject.strip()
    assert message["Date"] == "Mon, 23 Nov 2026 09:12:00 +0000"
    assert message["Message-ID"] == LETTER.message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Content-Language"] == "de"


def test_two_alternatives_the_plain_one_first() -> None:
    message = parsed(LETTER)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == LETTER.text
    assert html.get_content().replace("\r\n", "\n") == LETTER.html


@pytest.mark.parametrize("field", ["subject", "recipient", "message_id"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_no_value_can_add_a_header(field: str, end: str) -> None:
    differences: dict[str, Any] = {field: f"finance@example.org{end}Bcc: victim@example.org"}
    evil = replace(LETTER, **differences)
    try:
        message = to_bytes(evil, SENDER)
    except ValueError:
        return
    assert "Bcc" not in message_from_bytes(message, policy=policy.default)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Bursar <bursar@example.net>", Address("Bursar", "bursar", "example.net")),
        ("bursar@localhost", Address("", "bursar", "localhost")),
        ('"Müller, AG" <m@müller.example>', Address("Müller, AG", "m", "xn--mller-kva.example")),
    ],
)
def test_a_sender(text: str, address: Address) -> None:
    assert read_sender(text) == address


@pytest.mark.parametrize("text", ["Bursar", "", "@example.net", "bursar@", "a b@example.net\r\nBcc: x@y.z"])
def test_no_sender(text: str) -> None:
    with pytest.raises(SenderError):
        read_sender(text)


def test_only_the_local_part_needs_smtputf8() -> None:
    assert needs_utf8("käthi@example.org")
    assert not needs_utf8("kaethi@müller.example")
    assert parsed(replace(LETTER, recipient="kaethi@müller.example"))["To"] == "kaethi@xn--mller-kva.example"


async def delivered(directory: Path, *letters: Letter) -> list[Outcome]:
    channel = MaildirChannel(directory, SENDER)
    outcomes: list[Outcome] = []
    async for news in channel.deliver(letters, go_on=lambda: True):
        outcomes += [outcome for _, outcome in news]
    await channel.close()
    return outcomes


async def test_a_maildir_is_made_and_filled(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "mail"
    outcomes = await delivered(directory, LETTER, replace(LETTER, recipient="owner@example.org"))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.SENT, Verdict.SENT]
    found = mailbox.Maildir(directory, create=False)
    assert sorted(str(message["To"]) for message in found) == ["finance@example.org", "owner@example.org"]
    assert len(list((directory / "new").iterdir())) == 2
    assert directory.stat().st_mode & 0o077 == 0, "mails are nobody else's business"


async def test_a_maildir_that_cannot_be_written_is_tried_later(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ChannelUnreachable):
        await delivered(tmp_path / "file" / "mail", LETTER)
