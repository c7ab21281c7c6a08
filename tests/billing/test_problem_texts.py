"""What is wrong with a field, in the language of whoever asks."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.foundation.problem_texts import in_german, wants_german
from tests.support.management import Api, assert_problem

SETTINGS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"notifyEmails": ["a@b", "c@example.com"]}, "notifyEmails", '"a@b"', "„a@b“ ist keine gültige E-Mail-Adresse"),
    ({"notifyEmails": "[x"}, "notifyEmails", "JSON array", "sieht wie eine JSON-Liste aus, ist aber keine"),
    ({"notifyCooldownSeconds": 5}, "notifyCooldownSeconds", "must be at least 60", "muss mindestens 60 sein"),
    ({"notifyCooldownSeconds": "x"}, "notifyCooldownSeconds", "whole number", "muss eine ganze Zahl sein"),
    ({"billingModel": "FREE"}, "billingModel", "'PREPAY_USER', 'POSTPAY'", "muss eines von 'PREPAY_MANDATE', "),
    ({"billingModel": "POSTPAY"}, "creditLimit", "is required with POSTPAY", "ist mit POSTPAY nötig"),
    ({"lowBalanceThreshold": "-1"}, "lowBalanceThreshold", "must not be negative", "darf nicht negativ sein"),
    ({"lowBalanceThreshold": 10}, "lowBalanceThreshold", "must be a decimal", "muss ein Betrag als Text sein"),
    ({"markupPercent": "12,5"}, "markupPercent", "at most six decimals", "höchstens sechs Stellen nach dem Punkt"),
    ({"markupPercent": "-100"}, "markupPercent", "above -100", "muss über -100 liegen"),
    ({"notifyMails": []}, "notifyMails", "is not known here", "gibt es hier nicht"),
    ({"usersOnFirstSight": "yes"}, "usersOnFirstSight", "true or false", "muss true oder false sein"),
    ({"allowedModels": [""]}, "allowedModels", "names or globs", "Namen oder Muster von Modellen"),
]


@pytest.fixture
async def settings(api: Api) -> str:
    return f"{await api.mandate()}/billing-settings"


async def test_settings_are_refused_so_that_people_understand(api: Api, settings: str) -> None:
    for body, field, english, german in SETTINGS:
        said = assert_problem(await api.call("PUT", settings, body), 422, "invalid_request", field)
        assert english in said["detail"], body
        answer = await api.call("PUT", settings, body, headers={"Accept-Language": "de-CH,de;q=0.9,en;q=0.5"})
        said = assert_problem(answer, 422, "invalid_request", field)
        assert said["title"] == "Die Anfrage ist nicht gültig"
        assert german in said["detail"], body
        assert said["detail"].startswith(f"{field}: "), body
        assert answer.headers["content-language"] == "de"


async def test_all_that_is_wrong_is_listed_in_german_too(api: Api, settings: str) -> None:
    wrong = {"notifyCooldownSeconds": 5, "clientGone": "STAY"}
    answer = await api.call("PUT", settings, wrong, headers={"Accept-Language": "de"})
    listed = {each["field"]: each["message"] for each in answer.json()["errors"]}
    assert listed == {
        "notifyCooldownSeconds": "muss mindestens 60 sein",
        "clientGone": "muss eines von 'DRAIN', 'STOP' sein",
    }


@pytest.mark.parametrize(
    ("accept_language", "german"),
    [(None, False), ("de", True), ("de-CH", True), ("en,de", False), ("fr, de;q=0.8, en;q=0.7", True),
     ("de;q=0.1,en", False), ("de;q=x", False), ("fr", False), ("", False)],
)  # fmt: skip
def test_german_is_for_who_prefers_it(accept_language: str | None, german: bool) -> None:
    assert wants_german(accept_language) is german


def test_what_has_no_german_stays_as_it_is() -> None:
    assert in_german("is something new") == "is something new"
