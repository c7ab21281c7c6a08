"""`BURSAR_MAIL_URL`, `BURSAR_MAIL_FROM` and what is made of them."""

from __future__ import annotations

from email.headerregistry import Address
from pathlib import Path
from typing import Any, cast

import pytest

from bursar.foundation.settings import SettingsError
from bursar.notices.channels.mail_url import MailUrlError, SmtpServer, helo_name, parse_mail_url
from bursar.notices.telling import open_delivery


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", SmtpServer("mail.example.org", 25)),
        ("smtp://127.0.0.1:1025", SmtpServer("127.0.0.1", 1025)),
        (
            "smtp://user:pass@mail.example.org:587?tls=starttls",
            SmtpServer("mail.example.org", 587, "user", "pass", "starttls"),
        ),
        ("smtp://user:pass@mail.example.org", SmtpServer("mail.example.org", 587, "user", "pass", "starttls")),
        ("smtp://user:pass@127.0.0.1:1025", SmtpServer("127.0.0.1", 1025, "user", "pass", "opportunistic")),
        ("smtp://user:pass@mail.example.org?tls=none", SmtpServer("mail.example.org", 25, "user", "pass", "none")),
        ("smtps://us%40er:p%3Ass@mail.example.org", SmtpServer("mail.example.org", 465, "us@er", "p:ss", "implicit")),
    ],
)
def test_a_server(url: str, server: SmtpServer) -> None:
    assert parse_mail_url(url) == server


def test_a_maildir() -> None:
    assert parse_mail_url("maildir:/var/lib/bursar/mail") == Path("/var/lib/bursar/mail")


@pytest.mark.parametrize(
    "url",
    [
        "smtp://",
        "maildir:",
        "http://mail.example.org",
        "smtp://mail.example.org?tls=maybe",
        "smtps://mail.example.org?tls=none",
        "smtp://user:s3cret@mail.example.org?ssl=yes",
    ],
)
def test_what_makes_no_sense_is_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(MailUrlError) as refused:
        parse_mail_url(url)
    assert "s3cret" not in str(refused.value)


def test_a_password_is_not_printed() -> None:
    assert "s3cret" not in repr(parse_mail_url("smtps://user:s3cret@mail.example.org"))


@pytest.mark.parametrize(
    ("public_url", "name"),
    [
        ("https://bursar.example.org", "bursar.example.org"),
        ("http://127.0.0.1:8402", "[127.0.0.1]"),
        ("http://[::1]:8402", "[IPv6:::1]"),
        ("http://localhost:8402", "example.net"),
    ],
)
def test_how_we_greet_a_server(public_url: str, name: str) -> None:
    assert helo_name(public_url, Address("", "bursar", "example.net")) == name


@pytest.mark.parametrize(
    ("setting", "url", "sender"),
    [
        ("BURSAR_MAIL_URL", "smtp://h?tls=maybe", "Bursar <bursar@localhost>"),
        ("BURSAR_MAIL_FROM", "maildir:/tmp/mail", "nobody"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, url: str, sender: str) -> None:
    with pytest.raises(SettingsError, match=setting):
        open_delivery(cast("Any", None), mail_url=url, mail_from=sender, public_url="http://127.0.0.1:8402")
