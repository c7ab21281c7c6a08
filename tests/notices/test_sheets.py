"""What every kind says in every language: complete, in the reader's words, and harmless whatever the names are."""

from __future__ import annotations

from datetime import UTC, datetime
from gettext import c2py
from pathlib import Path
from string import Formatter
from typing import Any, Final
from uuid import UUID

import pytest
from babel import Locale
from babel.messages.pofile import read_po

from bursar.billing.models import LANGUAGES, Language
from bursar.notices import catalogues
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.figures import Figures
from bursar.notices.kinds import EXHAUSTED, KINDS
from bursar.notices.mail import Mail, render
from bursar.notices.wording import MailFacts

MANDATE = UUID("0198abcd-1111-4222-8333-444455556666")
ANNA = UUID("01976c00-0000-7000-8000-0000000000aa")
CAP: Final = {
    "scope": "key", "scopeId": str(ANNA), "name": "Nightly\r\nBcc: x@example.org", "period": "month", "percent": 85,
    "own": False, "resetsAt": "2026-12-01T00:00:00+00:00",
}  # fmt: skip
MORE: Final[dict[str, dict[str, Any]]] = {
    "RUNNING_OUT": {"endsAt": "2026-11-25T09:12:00+00:00", "perDayNanos": 1_250_000_000},
    "LIMIT_NEAR": CAP,
    "CREDIT_EXPIRING": {"expiresAt": "2026-11-25T09:12:00+00:00", "count": 2},
    "LIMIT_REACHED": CAP,
}
OTHERS = sorted(KINDS.keys() - {EXHAUSTED.name})


def mail(kind: str, language: str, *, name: str = "Helvetia Treuhand AG", model: str = "PREPAY_MANDATE") -> Mail:
    figures = Figures(
        datetime(2026, 11, 23, 9, 12, tzinfo=UTC), 42, 3, 100_000_000_000, 15_000_000_000, None, None,
        MORE.get(kind, {}),
    )  # fmt: skip
    account_id = ANNA if model == "PREPAY_USER" else MANDATE
    facts = MailFacts(
        kind, language, MANDATE, name, "CHF", "Europe/Zurich", model, account_id, figures, None, None, 3600,
        "https://bursar.example.net/billing",
    )  # fmt: skip
    return render(facts)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("model", ["PREPAY_MANDATE", "POSTPAY", "PREPAY_USER"])
def test_every_kind_can_be_said_in_every_language(kind: str, language: str, model: str) -> None:
    written = mail(kind, language, model=model)
    assert written.language == language
    assert "Helvetia Treuhand AG" in written.text
    assert "{" not in written.subject + written.text
    assert written.subject.startswith("Bursar")
    assert "\n" not in written.subject
    assert "\n\n\n" not in written.text
    assert CATALOGUES[written.language][f"{KINDS[kind].texts}.event"] in written.subject


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "Büro 🚀", "x" * 300, "a\r\nBcc: b@example.org"])
@pytest.mark.parametrize("kind", OTHERS)
def test_names_are_only_names(kind: str, name: str) -> None:
    written = mail(kind, "de", name=name)
    assert "<script>" not in written.html
    assert not [line for line in written.text.splitlines() if line.startswith("Bcc:")]
    assert "\n" not in written.subject
    assert "\r" not in written.subject


def test_all_languages_have_the_same_keys_and_values() -> None:
    reference = CATALOGUES["en"]
    for texts in CATALOGUES.values():
        assert texts.keys() == reference.keys()
        for key in texts:
            if not key.startswith(("exhausted.", "colon")):
                fields = [{field for _, field, _, _ in Formatter().parse(each[key])} for each in (texts, reference)]
                assert fields[0] == fields[1], key


def test_figures_are_the_readers() -> None:
    german = mail("LIMIT_NEAR", "de").text
    assert "Limite: CHF 100.00 pro Monat" in german
    assert "Gilt für: API-Schlüssel «Nightly" in german
    assert "Verbraucht: CHF 85.00 (85 %)" in german
    assert "Beginnt neu am: 1. Dezember 2026 um 01:00 Uhr" in german
    assert "Ihr persönliches KI-Guthaben" in mail("BALANCE_LOW", "de", model="PREPAY_USER").text
    assert "Kreditrahmen" in mail("BALANCE_LOW", "de", model="POSTPAY").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_whole_and_its_plurals_are_those_of_the_language(language: Language) -> None:
    path = Path(catalogues.__file__).with_name(f"{language}.po")
    with path.open("rb") as file:
        catalogue = read_po(file, locale=f"{language}_CH", abort_invalid=True)
    for message in catalogue:
        texts = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        assert all(texts), message.id
        assert not message.fuzzy, message.id
    rule = c2py(catalogue.plural_expr)
    locale = Locale.parse(f"{language}_CH")
    assert all(rule(count) == ("one", "other").index(locale.plural_form(count)) for count in range(1000))
