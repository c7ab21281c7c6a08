"""What the mails say, in four languages, whatever the names."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from uuid import UUID

import pytest

from bursar.billing.models import LANGUAGES, Language
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.figures import Figures
from bursar.notices.mail import Mail, render
from bursar.notices.wording import MailFacts

MANDATE = UUID("0198abcd-1111-4222-8333-444455556666")
ANNA = UUID("01976c00-0000-7000-8000-0000000000aa")
KEY = UUID("01976c00-0000-7000-8000-0000000000bb")


def mail(
    language: str = "de",
    *,
    name: str = "Helvetia Treuhand AG",
    model: str = "PREPAY_MANDATE",
    account_id: UUID = MANDATE,
    calls: int = 12,
    users: int = 3,
    required_nanos: int = 12_000_000,
    available_nanos: int = 4_100_000,
    currency: str = "CHF",
    time_zone: str = "Europe/Zurich",
    user_id: UUID | None = ANNA,
    user_name: str | None = "Anna Muster",
    key_name: str | None = None,
    cooldown_seconds: int = 3600,
) -> Mail:
    since = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
    figures = Figures(since, calls, users, required_nanos, available_nanos, user_id, KEY if user_id is None else None)
    return render(
        MailFacts(
            kind="EXHAUSTED",
            language=language,
            mandate_id=MANDATE,
            mandate_name=name,
            currency=currency,
            time_zone=time_zone,
            billing_model=model,
            account_id=account_id,
            figures=figures,
            user_name=user_name,
            key_name=key_name,
            cooldown_seconds=cooldown_seconds,
            top_up_url=f"https://bursar.example.net/billing?mandate={MANDATE}",
        )
    )


class Visible(HTMLParser):
    """The text that a reader sees, the links, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._hidden += tag in {"style", "title"}
        self.links += [value for name, value in attrs if name == "href" and value is not None]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def visible(html: str) -> Visible:
    parser = Visible()
    parser.feed(html)
    return parser


GERMAN = f"""Guten Tag

Das KI-Guthaben von Helvetia Treuhand AG ist aufgebraucht. Seit dem 23. November 2026 um 10:12 Uhr wurden 12 KI-Anfragen von 3 Personen abgelehnt.

Sobald das Guthaben aufgeladen ist, stehen die KI-Funktionen wieder allen zur Verfügung.

Guthaben aufladen:
https://bursar.example.net/billing?mandate={MANDATE}

Verfügbares Guthaben: CHF 0.0041
Benötigt für die letzte Anfrage: CHF 0.01
Zuletzt abgelehnt: Anna Muster ({ANNA})
Mandat: Helvetia Treuhand AG ({MANDATE})

Solange sich daran nichts ändert, melden wir uns frühestens in 1 Stunde wieder.

-- 
Bursar
Sie erhalten diese Nachricht, weil Ihre Adresse bei Helvetia Treuhand AG in den Abrechnungseinstellungen unter «notifyEmails» eingetragen ist.
"""  # noqa: E501


def test_the_german_mail() -> None:
    written = mail("de")
    assert written.subject == "Bursar: KI-Guthaben aufgebraucht – Helvetia Treuhand AG (0198abcd)"
    assert written.text == GERMAN


def test_the_mail_in_the_guide_is_the_mail() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "notices.md").read_text(encoding="utf-8")
    shown = mail("en")
    assert f"Subject: {shown.subject}\n\n{shown.text.partition('-- ')[0].rstrip()}" in guide


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("model", "account_id"), [("PREPAY_MANDATE", MANDATE), ("POSTPAY", MANDATE), ("PREPAY_USER", ANNA)]
)
def test_everything_that_must_be_said_is_said_in_both_parts(language: Language, model: str, account_id: UUID) -> None:
    written = mail(language, model=model, account_id=account_id)
    seen = visible(written.html)
    for said in (written.text, " ".join(seen.words)):
        for part in ("Helvetia Treuhand AG", str(MANDATE), "Anna Muster", str(ANNA), "12", "0041", "01", "10:12"):
            assert part in said
        assert "{" not in said
    assert f"https://bursar.example.net/billing?mandate={MANDATE}" in written.text
    assert seen.links == [f"https://bursar.example.net/billing?mandate={MANDATE}"]
    assert written.subject.startswith("Bursar")
    assert written.subject.endswith("Helvetia Treuhand AG (0198abcd)")
    assert f'lang="{language}"' in written.html


@pytest.mark.parametrize(
    ("language", "calls", "users", "sentence"),
    [
        ("de", 1, 1, "wurde eine KI-Anfrage von einer Person abgelehnt."),
        ("de", 2, 1, "wurden 2 KI-Anfragen von einer Person abgelehnt."),
        ("de", 1234567, 42, "wurden 1'234'567 KI-Anfragen von 42 Personen abgelehnt."),
        ("de", 5, 0, "wurden 5 KI-Anfragen abgelehnt."),
        ("en", 1, 1, "one AI request from one person has been refused."),
        ("en", 2, 2, "2 AI requests from 2 people have been refused."),
        ("en", 1, 0, "one AI request has been refused."),
        ("fr", 1, 1, "une requête d’IA d’une personne a été refusée."),
        ("fr", 2, 2, "2 requêtes d’IA de 2 personnes ont été refusées."),
        ("fr", 1000000, 2, "1\u00a0000\u00a0000 requêtes d’IA de 2 personnes ont été refusées."),
        ("it", 1, 1, "È stata respinta una richiesta di IA di una persona,"),
        ("it", 3, 2, "Sono state respinte 3 richieste di IA di 2 persone,"),
    ],
)
def test_plurals(language: Language, calls: int, users: int, sentence: str) -> None:
    assert sentence in mail(language, calls=calls, users=users).text


@pytest.mark.parametrize(
    ("required", "available", "currency", "amounts"),
    [
        (12_345_678_900, 0, "CHF", ("CHF 12.35", "CHF 0.00")),
        (123_450, 0, "CHF", ("CHF 0.00012", "CHF 0.00")),
        (1, 0, "CHF", ("CHF 0.000000001", "CHF 0.00")),
        (2_000_000_000, 1_999_999_999, "CHF", ("CHF 2.00", "CHF 2.0000000", "CHF 1.999999999")),
        (5_000_000_000, -3_000_000_000, "CHF", ("CHF 5.00", "CHF 0.00")),
        (1_500_000_000, 0, "EUR", ("EUR 1.50", "EUR 0.00")),
    ],
)
def test_amounts_have_two_decimals_and_more_where_they_would_vanish(
    required: int, available: int, currency: str, amounts: tuple[str, ...]
) -> None:
    text = mail(required_nanos=required, available_nanos=available, currency=currency).text
    assert amounts[-1] in text
    assert any(f"{amount}\n" in text or amount in text for amount in amounts[:-1])


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3600, "in 1 Stunde"), (5400, "in 90 Minuten"), (86_400, "in 1 Tag"), (7_200, "in 2 Stunden"), (61, "in 61 Sek")],
)
def test_the_cooldown_is_said_exactly(seconds: int, said: str) -> None:
    assert said in mail(cooldown_seconds=seconds).text


def test_times_are_the_mandates() -> None:
    assert "23. November 2026 um 04:12 Uhr" in mail(time_zone="America/New_York").text


def test_who_it_was() -> None:
    assert f"Person {ANNA}" in mail(user_name=None).text
    assert f"API-Schlüssel «Nightly» ({KEY})" in mail(user_id=None, user_name=None, key_name="Nightly").text
    assert f"API-Schlüssel {KEY}" in mail(user_id=None, user_name=None, key_name=None).text


def test_an_unknown_language_is_english() -> None:
    assert mail("tlh").language == "en"


NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "🎉 Fête & Söhne GmbH 👩‍👩‍👧",
    "x" * 300,
    "Donaudampfschifffahrts " * 13,
    "Evil\r\nBcc: victim@example.org\r\n\r\nClick here",
    "Evil\u2028line\u202egnp.exe",
    "{{ 7 * 7 }} {mandate} %s",
    "\x00\x07bell",
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NASTY)
def test_names_are_only_ever_text(name: str, language: Language) -> None:
    plain, nasty = mail(language), mail(language, name=name, user_name=name)
    assert visible(nasty.html).tags == visible(plain.html).tags
    assert visible(nasty.html).links == visible(plain.html).links
    assert len(nasty.text.splitlines()) == len(plain.text.splitlines())
    assert "\n" not in nasty.subject
    assert "\r" not in nasty.subject
    assert len(nasty.subject) < 200
    assert "\u202e" not in nasty.text + nasty.html + nasty.subject
    assert "\x00" not in nasty.text + nasty.html + nasty.subject


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "🎉 Fête & Söhne GmbH 👩‍👩‍👧", "x" * 300])
def test_a_name_is_said_in_full(name: str) -> None:
    written = mail(name=name)
    assert name in written.text
    assert name in " ".join(visible(written.html).words)


def test_the_html_needs_no_tables_and_knows_the_dark() -> None:
    html = mail().html
    assert "table" not in visible(html).tags
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    assert not {"img", "script", "link"} & visible(html).tags, "nothing is fetched from anywhere"


def _fields(text: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(text) if field}


def test_the_catalogues_say_the_same() -> None:
    german = CATALOGUES["de"]
    for language in LANGUAGES:
        texts = CATALOGUES[language]
        assert texts.keys() == german.keys()
        for key, text in texts.items():
            assert text.strip()
            same = {"cooldown" if field == "in_cooldown" else field for field in _fields(text)}
            wanted = {"cooldown" if field == "in_cooldown" else field for field in _fields(german[key])}
            # A singular may leave its number out; a sentence may leave out whose organisation it is.
            assert same <= wanted, (language, key)
            assert wanted - same <= {"mandate"}, (language, key)
        assert "ß" not in " ".join(texts.values()), "Swiss usage"
