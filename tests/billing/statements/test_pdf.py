"""PDF: read back, and added up as printed."""

from __future__ import annotations

import io
import re
import shutil
from decimal import Decimal

import pytest
from pypdf import PdfReader

from bursar.billing.models import Language
from bursar.billing.statements import Statement, render_pdf
from bursar.billing.statements.fonts import MAIN, fitted, font_file
from bursar.billing.statements.texts import CATALOGUES, figure
from bursar.ledger.model import TransferKind
from tests.billing.statements.samples import MANDATE_ID, UNIT, USERS, entry, statement

_AMOUNT = re.compile(r"-?[0-9']+\.[0-9]{2}$")
MODELS = ("gpt-5-mini", "claude-sonnet-4-5", "a/model-with-a-name-that-is-too-long-for-one-line-of-a-table-2026-05-01")


def read(pdf: bytes) -> list[str]:
    """The text of each page."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


def amounts(text: str) -> list[Decimal]:
    found = (_AMOUNT.search(line.strip()) for line in text.splitlines())
    return [Decimal(match[0].replace("'", "")) for match in found if match]


def section(text: str, heading: str, until: str | None) -> str:
    text = text[text.index(heading) + len(heading) :]
    return text if until is None else text[: text.index(until)]


def long_statement(**more: object) -> Statement:
    costs = [(day, model, 1_234_567_890 + 3_333_333 * day) for day in range(1, 31) for model in MODELS]
    entries = [
        entry(1_234_500_000_000, reference="invoice 7"),
        entry(-4_444_444_444, TransferKind.CORRECTION, reason="counted twice"),
        entry(-50 * UNIT, TransferKind.WALLET_TRANSFER, user_id=USERS[1], user_name="Ömer Yılmaz"),
    ]
    return statement(costs, opening_nanos=1_234_505_000_000, entries=entries, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_printed_rows_add_up_to_the_printed_totals(language: Language) -> None:
    words = CATALOGUES[language]
    text = "\n".join(read(render_pdf(long_statement(), language)))
    summary = amounts(section(text, words["summary"], f"\n{words['entries']}\n"))
    opening, money, usage, closing = summary
    assert (opening, closing) == (Decimal("1234.51"), opening + money + usage)
    *entries, total = amounts(section(text, f"\n{words['entries']}\n", words["per_day"]))
    assert total == money == sum(entries)
    headings = [words[key] for key in ("per_day", "per_model", "per_user", "per_key")]
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        *rows, total = amounts(section(text, heading, following))
        assert total == -usage == sum(rows)
    assert len(amounts(section(text, words["per_day"], words["per_model"]))) == 30 * len(MODELS) + 1


def test_it_breaks_into_numbered_pages_with_heads() -> None:
    pages = read(render_pdf(long_statement(), "en"))
    assert len(pages) >= 3
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert f"Mandate ID {MANDATE_ID}" in page
        assert "Helvetia Treuhand AG" in page
        assert "Statement November 2026" in page
    assert "Input tokens" in pages[1]


def test_german_and_english_as_the_mandates_locale_writes() -> None:
    made = long_statement()
    german, english = "\n".join(read(render_pdf(made))), "\n".join(read(render_pdf(made, "en")))
    for text in (german, english):
        assert "CHF 1'234.51" in text
    assert "Kontoauszug November 2026" in german
    assert "1. November 2026 bis 30. November 2026 (Europe/Zurich)" in german
    assert "abgeschlossen" in german
    assert "1 November 2026 to 30 November 2026 (Europe/Zurich)" in english
    assert "Ömer Yılmaz" in english
    assert f"former user {str(USERS[2])[:8]}" in english
    assert "without a key" in english


def test_names_in_other_scripts_are_printed_and_what_cannot_be_is_said() -> None:
    name = "Σίγουρος ЗАО «Ромашка» Łódź ქართული"
    text = "\n".join(read(render_pdf(statement([], header={"mandate_name": name}), "en")))
    assert name in text
    assert CATALOGUES["en"]["replaced"] not in text
    chinese = "\n".join(read(render_pdf(statement([], header={"mandate_name": "株式会社 AG"}), "en")))
    assert "???? AG" in chinese
    assert CATALOGUES["en"]["replaced"] in " ".join(chinese.split())


def test_a_long_name_leaves_room_for_the_title_in_the_head() -> None:
    made = long_statement(header={"mandate_name": "Wirtschaftsprüfungsgesellschaft " * 9})
    first, second, *_ = read(render_pdf(made, "en"))
    assert first.count("Wirtschaftsprüfungsgesellschaft") == 9
    assert re.search(r"^Wirtschaftsprüfungsgesellschaft .*…\s*Statement November 2026", second, re.MULTILINE)


def test_a_typeface_that_was_tidied_away_is_there_again() -> None:
    path = font_file(MAIN, "")
    shutil.rmtree(path.parent)
    assert "Statement November 2026" in read(render_pdf(statement([]), "en"))[0]


def test_composed_characters_are_not_lost() -> None:
    assert fitted("Zu\u0308rich").text == "Zürich"
    assert fitted("שלום").needs_others
    assert not fitted("Zürich CHF 1'234.50 – · …").needs_others


def test_a_debt_is_stated_as_an_amount_due() -> None:
    made = statement([(1, "model-a", 7_250_000_000)], amount_due_nanos=7_250_000_000)
    text = "\n".join(read(render_pdf(made, "en")))
    assert re.search(r"Amount due\s+CHF 7\.25", text)
    assert CATALOGUES["en"]["due_rule"] in " ".join(text.split())


def test_a_part_of_the_pool_shows_no_balance() -> None:
    made = statement([(1, "model-a", UNIT)], header={"own_part": True, "user_id": USERS[0], "user_name": "Anna Meier"})
    text = "\n".join(read(render_pdf(made, "en")))
    assert "Anna Meier: part of the shared pool" in text
    for word in ("opening", "closing", "balance_now", "entries"):
        assert CATALOGUES["en"][word].split(" {")[0] not in text


def test_an_empty_month_says_so() -> None:
    text = "\n".join(read(render_pdf(statement([]), "de")))
    assert "Keine Nutzung in diesem Monat." in text


def test_the_same_statement_makes_the_same_bytes() -> None:
    assert render_pdf(long_statement(), "en") == render_pdf(long_statement(), "en")


def test_both_languages_have_the_same_words() -> None:
    assert CATALOGUES["de"].keys() == CATALOGUES["en"].keys()
    kinds = {kind.value for kind in TransferKind} - {"CHARGE", "LATE_ADJUSTMENT"}
    assert {key.removeprefix("kind.") for key in CATALOGUES["en"] if key.startswith("kind.")} == kinds


@pytest.mark.parametrize(("currency", "expected"), [("CHF", "1'234.00"), ("JPY", "1'234"), ("KWD", "1'234.000")])
def test_a_currency_has_its_own_decimals(currency: str, expected: str) -> None:
    assert figure(1_234 * UNIT, currency, "de") == expected
