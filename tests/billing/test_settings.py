"""Billing settings: the three forms of `notifyEmails`, who may change what, and what does not fit together."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.billing.settings import read_notify_emails
from bursar.foundation.problems import Problem
from tests.support.management import Api, assert_problem


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (["a@example.com", "b@example.com"], ("a@example.com", "b@example.com")),
        ('["a@example.com", "b@example.com"]', ("a@example.com", "b@example.com")),
        ("a@example.com", ("a@example.com",)),
        (" a@example.com ", ("a@example.com",)),
        (["a@example.com", "A@EXAMPLE.com", "a@example.com"], ("a@example.com",)),
        (["cfo@intranet.local"], ("cfo@intranet.local",)),
        (["rené@müller.ch"], ("rené@müller.ch",)),
        ([], ()),
        ("[]", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_notify_emails_come_in_three_forms_and_are_stored_in_one(given: object, stored: tuple[str, ...]) -> None:
    assert read_notify_emails(given) == stored


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["a@example.com", "not an address"], "not an address"),
        ("nobody", "nobody"),
        ('["a@example.com", "b@"]', "b@"),
        ("a@example.com, b@example.com", "a@example.com, b@example.com"),
        (["Anna <a@example.com>"], "Anna <a@example.com>"),
        (["a@example.com\nBcc: b@example.com"], "a@example.com Bcc: b@example.com"),
        (["x@" + "y" * 300 + ".ch"], "x@yyyy"),
        ([7], "e-mail addresses and nothing else"),
        ([["a@example.com"]], "e-mail addresses and nothing else"),
        ({"a": 1}, "a list"),
        (7, "a list"),
        ('["a@example.com"', "looks like a JSON array"),
        ([f"a{number}@example.com" for number in range(51)], "more than 50"),
    ],
)
def test_an_address_that_is_none_is_named(given: object, named: str) -> None:
    with pytest.raises(Problem) as caught:
        read_notify_emails(given)
    assert caught.value.field == "notifyEmails"
    assert named in caught.value.detail
    assert "\n" not in caught.value.detail


async def change(api: Api, mandate: str, body: dict[str, Any], **more: Any) -> Any:
    return await api.call("PUT", f"{mandate}/billing-settings", body, **more)


async def test_settings_begin_with_defaults(api: Api) -> None:
    mandate = await api.mandate()
    assert (await api.get(f"{mandate}/billing-settings")).json() == {
        "billingModel": "PREPAY_MANDATE",
        "creditLimit": None,
        "markupPercent": None,
        "allowedModels": None,
        "notifyEmails": [],
        "notifyCooldownSeconds": 3600,
        "notifyWalletExhausted": False,
        "lowBalanceThreshold": None,
        "exhaustedBelow": None,
        "maxHoldSharePercent": 10,
        "clientGone": "DRAIN",
        "usersOnFirstSight": False,
        "language": None,
        "maxCallsPerMinute": None,
        "maxConcurrentCalls": None,
        "maxHeld": None,
    }


async def test_everything_can_be_set_read_back_and_sent_back(api: Api) -> None:
    mandate = await api.mandate()
    wanted = {
        "billingModel": "POSTPAY",
        "creditLimit": "100.000000000",
        "markupPercent": "12.5",
        "allowedModels": ["gpt-5-mini", "claude-*"],
        "notifyEmails": ["a@example.com"],
        "notifyCooldownSeconds": 60,
        "notifyWalletExhausted": True,
        "lowBalanceThreshold": "5.000000000",
        "exhaustedBelow": "0.000000000",
        "maxHoldSharePercent": 50,
        "clientGone": "STOP",
        "usersOnFirstSight": True,
        "language": "it",
        "maxCallsPerMinute": 600,
        "maxConcurrentCalls": 20,
        "maxHeld": "2.500000000",
    }
    answer = await change(api, mandate, wanted)
    assert answer.status_code == 200, answer.text
    assert answer.json() == wanted
    again = await change(api, mandate, wanted)
    assert again.json() == wanted
    assert again.headers["etag"] == answer.headers["etag"], "nothing has changed"
    assert (await api.get(mandate)).json()["billingModel"] == "POSTPAY"


async def test_what_is_left_out_stays_and_null_takes_away(api: Api) -> None:
    mandate = await api.mandate()
    await change(api, mandate, {"language": "fr", "lowBalanceThreshold": "5", "notifyEmails": "a@example.com"})
    settings = (await change(api, mandate, {"lowBalanceThreshold": None, "notifyCooldownSeconds": None})).json()
    assert settings["lowBalanceThreshold"] is None
    assert (settings["language"], settings["notifyEmails"]) == ("fr", ["a@example.com"])
    assert settings["notifyCooldownSeconds"] == 3600
    assert (await change(api, mandate, {"notifyEmails": None})).json()["notifyEmails"] == []


NOT_ACCEPTABLE: list[tuple[dict[str, Any], str]] = [
    ({"notifyEmails": ["a@example.com", "kaputt"]}, "notifyEmails"),
    ({"billingModel": "POSTPAY"}, "creditLimit"),
    ({"billingModel": "FREE"}, "billingModel"),
    ({"creditLimit": "-1"}, "creditLimit"),
    ({"creditLimit": 10}, "creditLimit"),
    ({"creditLimit": "1e3"}, "creditLimit"),
    ({"creditLimit": "0.0000000001"}, "creditLimit"),
    ({"creditLimit": "5000000000"}, "creditLimit"),
    ({"markupPercent": "-100"}, "markupPercent"),
    ({"markupPercent": "much"}, "markupPercent"),
    ({"notifyCooldownSeconds": 59}, "notifyCooldownSeconds"),
    ({"notifyCooldownSeconds": 3600.5}, "notifyCooldownSeconds"),
    ({"notifyCooldownSeconds": "3600"}, "notifyCooldownSeconds"),
    ({"maxHoldSharePercent": True}, "maxHoldSharePercent"),
    ({"maxHoldSharePercent": 0}, "maxHoldSharePercent"),
    ({"allowedModels": [""]}, "allowedModels"),
    ({"clientGone": "FREE"}, "clientGone"),
    ({"language": "rm"}, "language"),
    ({"currency": "EUR"}, "currency"),
    ({"notifyMails": []}, "notifyMails"),
]


async def test_what_is_not_acceptable_is_named(api: Api) -> None:
    mandate = await api.mandate()
    for body, field in NOT_ACCEPTABLE:
        problem = assert_problem(await change(api, mandate, body), 422, "invalid_request", field)
        if field == "notifyEmails":
            assert "kaputt" in problem["detail"]
        assert (await api.get(f"{mandate}/billing-settings")).json()["billingModel"] == "PREPAY_MANDATE"


async def test_what_a_mandate_owes_is_the_operator_s(api: Api) -> None:
    mandate = await api.mandate()
    keys = [(await api.person_key(mandate, role))[1] for role in ("owner", "finance")]
    before = (await api.get(f"{mandate}/billing-settings")).json()
    terms = {"billingModel": "UNLIMITED", "creditLimit": "1000000", "markupPercent": "-50", "allowedModels": ["*"]}
    for field, value in terms.items():
        for key in keys:
            answer = await change(api, mandate, {field: value, "language": "fr"}, key=key)
            assert "operator" in assert_problem(answer, 403, "forbidden", field)["detail"]
    assert (await api.get(f"{mandate}/billing-settings")).json() == before


async def test_finance_changes_whom_to_tell_even_by_sending_everything_back(api: Api) -> None:
    mandate = await api.mandate(billingModel="POSTPAY", creditLimit="10")
    _, key = await api.person_key(mandate, "finance")
    settings = (await api.get(f"{mandate}/billing-settings", key=key)).json()
    answer = await change(api, mandate, {**settings, "notifyEmails": '["a@example.com"]'}, key=key)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {**settings, "notifyEmails": ["a@example.com"]}


async def test_a_stale_change_is_refused(api: Api) -> None:
    mandate = await api.mandate()
    etag = (await api.get(f"{mandate}/billing-settings")).headers["etag"]
    assert (await change(api, mandate, {"language": "fr"}, headers={"If-Match": etag})).status_code == 200
    answer = await change(api, mandate, {"language": "it"}, headers={"If-Match": etag})
    assert_problem(answer, 412, "changed_meanwhile", "If-Match")


async def test_a_credit_limit_lowered_below_the_debt_refuses_new_calls_and_nothing_else(api: Api) -> None:
    mandate = await api.mandate(billingModel="POSTPAY", creditLimit="10")
    service = await api.key(mandate, "service")
    hold = await api.made(f"{mandate}/holds", {"desired": "5"}, key=service)
    await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "5"}, key=service)
    assert (await change(api, mandate, {"creditLimit": "1"})).status_code == 200
    pool = await api.balance(mandate)
    assert (pool["posted"], pool["available"]) == ("-5.000000000", "-4.000000000")
    refused = await api.post(f"{mandate}/holds", {"desired": "0.01"}, key=service)
    assert refused.status_code == 402


async def test_settings_reach_a_call_at_once(api: Api) -> None:
    """The worker that made the change does not wait for any notification."""
    mandate = await api.mandate()
    service = await api.key(mandate, "service")
    await api.top_up(mandate, "10")
    await api.made(f"{mandate}/holds", {"desired": "1"}, key=service)
    await change(api, mandate, {"billingModel": "PREPAY_USER"})
    answer = await api.post(f"{mandate}/holds", {"desired": "1"}, key=service)
    assert_problem(answer, 422, "invalid_request", "userId")
