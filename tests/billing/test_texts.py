"""What people read: the right sentences, in their language, with figures as they write them."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from typing import get_args

import pytest

from bursar.billing.models import LANGUAGES, BillingModel, Language, Role, Viewer
from bursar.billing.refusal import billing_object_for, told_since
from bursar.billing.texts import (
    CATALOGUES,
    choose_language,
    format_compared,
    format_money,
    format_time,
    quotable,
)
from bursar.ledger.model import LimitScope, Period, Reason
from tests.billing.facts import FIRST_OF_DECEMBER, mandate, reached_limit, refused, shortage

AT = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


# --- catalogues ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_with_the_same_figures(language: Language) -> None:
    english, other = CATALOGUES["en"], CATALOGUES[language]
    assert set(other) == set(english)
    assert {key: placeholders(text) for key, text in other.items()} == {
        key: placeholders(text) for key, text in english.items()
    }


def test_no_text_was_forgotten_in_translation() -> None:
    for key in CATALOGUES["en"]:
        texts = [CATALOGUES[language][key] for language in LANGUAGES]
        worded = [text for text in texts if len(text.split()) > 3]
        assert len(set(worded)) == len(worded), key


def test_swiss_german_has_no_sharp_s() -> None:
    assert "ß" not in "".join(CATALOGUES["de"].values())


def test_every_scope_and_period_has_its_words() -> None:
    for language in LANGUAGES:
        assert {f"limit.{scope}" for scope in get_args(LimitScope)} <= set(CATALOGUES[language])
        assert {f"period.{period}" for period in get_args(Period)} <= set(CATALOGUES[language])


# --- whole texts -----------------------------------------------------------------------------------------------------

EXHAUSTED = {
    "de": "Das KI-Guthaben von Helvetia Treuhand AG ist aufgebraucht. Die Finanzverantwortlichen werden gerade "
    "benachrichtigt; bitte wenden Sie sich bei Fragen an sie.",
    "en": "The AI credit of Helvetia Treuhand AG is used up. The finance contacts are being notified; please get in "
    "touch with them.",
    "fr": "Le crédit IA de l’organisation Helvetia Treuhand AG est épuisé. Les responsables financiers sont avertis en "
    "ce moment\u00a0; veuillez vous adresser à eux.",
    "it": "Il credito IA dell’organizzazione Helvetia Treuhand AG è esaurito. I responsabili delle finanze vengono "
    "avvisati in questo momento; la preghiamo di rivolgersi a loro.",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_member_reads_that_the_pool_is_empty(language: Language) -> None:
    assert refused().message(language) == EXHAUSTED[language]


SAID = """
reason            | model          | role    | contacts | told | says in English
BALANCE_EXHAUSTED | PREPAY_MANDATE | member  | yes      | yes  | The AI credit of Helvetia Treuhand AG is used up. The finance contacts were notified on 23 November 2026 at 11:05; please get in touch with them.
BALANCE_EXHAUSTED | PREPAY_MANDATE | member  | no       | no   | The AI credit of Helvetia Treuhand AG is used up. Nobody was notified, because no address is set for this; please get in touch with the finance contacts directly.
BALANCE_EXHAUSTED | PREPAY_MANDATE | owner   | yes      | no   | The AI credit of Helvetia Treuhand AG is used up. Available: CHF 0.0041; needed: up to CHF 0.01. Please top up the credit. The finance contacts are being notified.
BALANCE_EXHAUSTED | PREPAY_MANDATE | finance | no       | no   | The AI credit of Helvetia Treuhand AG is used up. Available: CHF 0.0041; needed: up to CHF 0.01. Please top up the credit. No address is set that would be notified in such a case.
BALANCE_EXHAUSTED | PREPAY_USER    | member  | yes      | yes  | Your AI credit at Helvetia Treuhand AG is used up. Available: CHF 0.0041; needed: up to CHF 0.01. Please top up your credit.
BALANCE_EXHAUSTED | POSTPAY        | member  | yes      | no   | The AI credit line of Helvetia Treuhand AG is used up. The finance contacts are being notified; please get in touch with them.
REQUEST_TOO_LARGE | PREPAY_MANDATE | member  | yes      | yes  | The remaining AI credit of Helvetia Treuhand AG does not cover this request. Please get in touch with the finance contacts. A shorter request may also work.
REQUEST_TOO_LARGE | PREPAY_USER    | member  | yes      | no   | Your remaining AI credit at Helvetia Treuhand AG does not cover this request. Available: CHF 0.0041; needed: up to CHF 0.01. The available amount covers an answer of at most 1'700 tokens. Please top up your credit. A shorter request may also work.
LIMIT_REACHED     | PREPAY_MANDATE | member  | yes      | yes  | You have reached your monthly spending limit for AI. It resets on 1 December 2026 at 00:00. The finance contacts of Helvetia Treuhand AG can raise the limit; please get in touch with them.
LIMIT_REACHED     | PREPAY_MANDATE | owner   | yes      | no   | You have reached your monthly spending limit for AI. It resets on 1 December 2026 at 00:00. Left: CHF 0.60 of CHF 5.00; needed: up to CHF 0.01. You can raise the limit on the billing page.
FUNDS_HELD        | PREPAY_USER    | member  | yes      | no   | You have enough AI credit, but it is reserved for requests that are still running. Please try again in a few seconds.
"""  # noqa: E501


@pytest.mark.parametrize("line", SAID.strip().splitlines()[1:], ids=lambda line: " ".join(line.split("|")[:5]))
def test_what_is_said(line: str) -> None:
    reason, model, role, contacts, told, text = (cell.strip() for cell in line.split("|"))
    billing = refused(
        Reason(reason),
        BillingModel(model),
        Role(role),
        tokens=1_700,
        has_finance_contacts=contacts == "yes",
        notified_at=AT if told == "yes" else None,
    )
    assert billing.message("en") == text


def test_nobody_has_less_than_nothing() -> None:
    """Below a lowered credit line, or a lowered cap, there is nothing left; the object has the figure."""
    owed = billing_object_for(
        shortage(Reason.BALANCE_EXHAUSTED, available_nanos=-(10**9)),
        mandate(BillingModel.POSTPAY),
        Viewer(Role.OWNER),
        request_id=None,
        public_url="http://localhost",
    )
    assert "Available: CHF 0.00;" in owed.message("en")
    assert owed.current_balance_nanos == -(10**9)
    overspent = billing_object_for(
        shortage(Reason.LIMIT_REACHED, limit=reached_limit("user", spent_nanos=9 * 10**9)),
        mandate(),
        Viewer(Role.OWNER),
        request_id=None,
        public_url="http://localhost",
    )
    assert "Left: CHF 0.00 of CHF 5.00;" in overspent.message("en")


def test_one_affordable_token_is_no_help() -> None:
    billing = refused(Reason.REQUEST_TOO_LARGE, BillingModel.PREPAY_USER, tokens=1)
    assert "token" not in billing.message("en").lower()
    assert billing.affordable_output_tokens == 1


def test_times_are_in_the_mandates_zone() -> None:
    assert "at 19:05" in refused(notified_at=AT, time_zone="Asia/Tokyo").message("en")


def test_a_hostile_name_stays_a_name() -> None:
    name = "<script>{mandate}{0}</script>\r\nBcc: x\u202e" + "long " * 100
    billing = refused(name=name)
    text = billing.message("en")
    assert "\n" not in text
    assert "\u202e" not in text
    assert len(text) < 250
    assert "<script>{mandate}{0}</script> Bcc: x" in text
    assert billing.mandate_name == name


def test_a_mandate_without_a_name_goes_by_the_start_of_its_id() -> None:
    assert "AI credit of 0198c0de is" in refused(name="").message("en")


def test_emoji_stay_whole() -> None:
    assert quotable("Team 👩‍💻 GmbH") == "Team 👩‍💻 GmbH"


# --- amounts ---------------------------------------------------------------------------------------------------------

MONEY = """
nanos           currency  locale  shown
1234500000000   CHF       de_CH   CHF_1'234.50
1234500000000   CHF       en_CH   CHF_1'234.50
1234500000000   CHF       it_CH   CHF_1'234.50
1234500000000   CHF       fr_CH   1~234,50_CHF
1234500000000   EUR       de_DE   1.234,50_€
0               CHF       de_CH   CHF_0.00
4100000         CHF       de_CH   CHF_0.0041
4999999         CHF       de_CH   CHF_0.005
5000000         CHF       de_CH   CHF_0.01
123450          CHF       de_CH   CHF_0.00012
1               CHF       de_CH   CHF_0.000000001
999999999       CHF       de_CH   CHF_1.00
-500000000      CHF       de_CH   CHF-0.50
-1000           CHF       de_CH   CHF-0.000001
1234000000000   JPY       en_CH   JP¥_1'234
400000000       JPY       en_CH   JP¥_0.4
1234000000000   KWD       en_CH   KWD_1'234.000
4000000000000000000 CHF   de_CH   CHF_4'000'000'000.00
"""


@pytest.mark.parametrize("line", MONEY.strip().splitlines()[1:])
def test_amounts_are_written_as_their_reader_writes_them(line: str) -> None:
    nanos, currency, locale, shown = line.split()
    assert format_money(int(nanos), currency, locale) == shown.replace("_", " ").replace("~", "\u00a0")


def test_different_amounts_never_look_the_same() -> None:
    assert format_compared(1_001_000_000, 1_004_000_000, "CHF", "de_CH") == ("CHF 1.001", "CHF 1.004")
    assert format_compared(1_000_000_000, 1_000_000_001, "CHF", "de_CH") == ("CHF 1.00", "CHF 1.000000001")
    assert format_compared(10**9, 2 * 10**9, "CHF", "de_CH") == ("CHF 1.00", "CHF 2.00")
    assert format_compared(10**9, 10**9, "CHF", "de_CH") == ("CHF 1.00", "CHF 1.00")


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("de", "1. Dezember 2026 um 00:00 Uhr"),
        ("en", "1 December 2026 at 00:00"),
        ("fr", "1er décembre 2026 à 00:00"),
        ("it", "1 dicembre 2026 alle 00:00"),
    ],
)
def test_times_are_written_as_their_reader_writes_them(language: Language, shown: str) -> None:
    assert format_time(FIRST_OF_DECEMBER, "Europe/Zurich", language) == shown


def test_only_the_first_is_an_ordinal_in_french() -> None:
    assert format_time(datetime(2026, 12, 21, 11, tzinfo=UTC), "UTC", "fr") == "21 décembre 2026 à 11:00"


def test_an_unknown_time_zone_fails_no_refusal() -> None:
    assert format_time(FIRST_OF_DECEMBER, "Mars/Olympus", "en") == "30 November 2026 at 23:00"
    assert format_time(FIRST_OF_DECEMBER, "../etc/passwd", "en") == "30 November 2026 at 23:00"


# --- choosing --------------------------------------------------------------------------------------------------------

CHOICES = """
accept                        | user  | mandate | chosen
                              |       |         | en
                              |       | fr      | fr
                              | it    | fr      | it
                              | de-CH | fr      | de
de                            | it    | fr      | de
de-CH, fr;q=0.9               |       |         | de
fr;q=0.5, it;q=0.8, de;q=0.1  | de    |         | it
es, pt;q=0.9                  | it    |         | it
es, en;q=0.1                  | it    |         | en
*                             | it    | fr      | it
*                             |       | fr      | fr
fr;q=0.2, *                   | it    |         | it
it;q=0.2, *                   | it    | fr      | fr
de, *;q=0.5                   | it    |         | de
de;q=0, *                     | de    | fr      | fr
de;q=0                        | de    |         | en
de;q=0, en;q=0, fr;q=0        | de    |         | it
FR-ch ; Q=1.0 , de;q=0.5      |       |         | fr
gsw                           |       |         | de
de_CH                         |       |         | de
;;;,,q=,de;q=nonsense         | fr    |         | de
de;q=nonsense, it;q=0.5       |       |         | it
de;q=7, it;q=0.5              |       |         | de
x-klingon                     | xx    | yy      | en
de;q=0,en;q=0,fr;q=0,it;q=0   | de    |         | en
"""


@pytest.mark.parametrize("line", CHOICES.strip("\n").splitlines()[1:])
def test_the_language_is_the_readers(line: str) -> None:
    accept, user, mandate, chosen = (cell.strip() for cell in line.split("|"))
    assert choose_language(accept or None, user or None, mandate or None) == chosen


@pytest.mark.parametrize("role", [Role.OWNER, Role.MEMBER])
def test_shown_again_a_refusal_says_when_finance_was_told(role: Role) -> None:
    being_told, told = refused(role=role), refused(role=role, notified_at=AT)
    assert being_told.messages != told.messages
    assert told_since(being_told, AT, "Europe/Zurich") == told
