"""Who can do what, read as a table: the verdict is in the last column."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bursar.billing.models import (
    MODEL_RULES,
    REMEDIES,
    BillingModel,
    FinanceNews,
    Role,
    UserAction,
    Viewer,
    decide_user_action,
    finance_news,
    may_see_account,
    may_see_cap,
)
from bursar.ledger.model import SHORTAGES, LimitScope, Reason
from tests.billing.facts import mandate

ACTIONS = """
model           reason             role     means  action
PREPAY_MANDATE  BALANCE_EXHAUSTED  owner    yes    TOP_UP_SELF
PREPAY_MANDATE  BALANCE_EXHAUSTED  finance  yes    TOP_UP_SELF
PREPAY_MANDATE  BALANCE_EXHAUSTED  member   yes    CONTACT_MANDATE_ADMIN
PREPAY_MANDATE  BALANCE_EXHAUSTED  -        yes    CONTACT_MANDATE_ADMIN
PREPAY_MANDATE  BALANCE_EXHAUSTED  owner    no     CONTACT_MANDATE_ADMIN
PREPAY_MANDATE  REQUEST_TOO_LARGE  finance  yes    TOP_UP_SELF
PREPAY_MANDATE  REQUEST_TOO_LARGE  member   yes    CONTACT_MANDATE_ADMIN
PREPAY_USER     BALANCE_EXHAUSTED  member   yes    TOP_UP_SELF
PREPAY_USER     BALANCE_EXHAUSTED  owner    yes    TOP_UP_SELF
PREPAY_USER     BALANCE_EXHAUSTED  member   no     CONTACT_MANDATE_ADMIN
PREPAY_USER     BALANCE_EXHAUSTED  -        yes    CONTACT_MANDATE_ADMIN
PREPAY_USER     REQUEST_TOO_LARGE  member   yes    TOP_UP_SELF
POSTPAY         BALANCE_EXHAUSTED  finance  yes    TOP_UP_SELF
POSTPAY         BALANCE_EXHAUSTED  member   yes    CONTACT_MANDATE_ADMIN
PREPAY_MANDATE  LIMIT_REACHED      owner    yes    TOP_UP_SELF
PREPAY_MANDATE  LIMIT_REACHED      finance  no     TOP_UP_SELF
PREPAY_MANDATE  LIMIT_REACHED      member   yes    CONTACT_MANDATE_ADMIN
PREPAY_USER     LIMIT_REACHED      member   yes    CONTACT_MANDATE_ADMIN
UNLIMITED       LIMIT_REACHED      owner    yes    TOP_UP_SELF
UNLIMITED       LIMIT_REACHED      member   yes    CONTACT_MANDATE_ADMIN
PREPAY_MANDATE  FUNDS_HELD         owner    yes    RETRY_LATER
PREPAY_USER     FUNDS_HELD         member   no     RETRY_LATER
POSTPAY         FUNDS_HELD         -        yes    RETRY_LATER
"""


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()[1:]]


def viewer(role: str) -> Viewer:
    return Viewer(None if role == "-" else Role(role))


@pytest.mark.parametrize("row", rows(ACTIONS), ids=" ".join)
def test_the_action_is_the_one_that_is_open_to_the_reader(row: list[str]) -> None:
    model, reason, role, means, action = row
    decided = decide_user_action(
        BillingModel(model), Reason(reason), viewer(role), top_up_enabled=means == "yes", limit_scope="user"
    )
    assert decided is UserAction(action)


@pytest.mark.parametrize("scope", ["key", "user", "model", "mandate"])
def test_a_member_cannot_change_even_their_own_cap(scope: LimitScope) -> None:
    for role in Role:
        action = decide_user_action(BillingModel.PREPAY_MANDATE, Reason.LIMIT_REACHED, Viewer(role), limit_scope=scope)
        assert (action is UserAction.TOP_UP_SELF) == (role is not Role.MEMBER)


def test_the_tables_are_complete() -> None:
    assert set(MODEL_RULES) == set(BillingModel)
    assert set(REMEDIES) == SHORTAGES
    assert {model: rules.payer for model, rules in MODEL_RULES.items()} == {
        "PREPAY_MANDATE": "pool",
        "PREPAY_USER": "wallet",
        "POSTPAY": "pool",
        "UNLIMITED": "pool",
    }


def test_what_is_no_shortage_has_no_action() -> None:
    with pytest.raises(KeyError):
        decide_user_action(BillingModel.PREPAY_MANDATE, Reason.HOLD_NOT_FOUND, Viewer(Role.OWNER))


NEWS = """
model           reason             contacts  accepted  wallets_too  news
PREPAY_MANDATE  BALANCE_EXHAUSTED  yes       no        no           being_told
PREPAY_MANDATE  BALANCE_EXHAUSTED  yes       yes       no           told
PREPAY_MANDATE  BALANCE_EXHAUSTED  no        no        no           nobody
PREPAY_MANDATE  REQUEST_TOO_LARGE  yes       yes       no           not_told
PREPAY_MANDATE  LIMIT_REACHED      yes       yes       no           not_told
PREPAY_MANDATE  FUNDS_HELD         yes       yes       no           not_told
POSTPAY         BALANCE_EXHAUSTED  yes       no        no           being_told
PREPAY_USER     BALANCE_EXHAUSTED  yes       yes       no           not_told
PREPAY_USER     BALANCE_EXHAUSTED  yes       no        yes          being_told
PREPAY_USER     BALANCE_EXHAUSTED  yes       yes       yes          told
UNLIMITED       BALANCE_EXHAUSTED  yes       yes       yes          not_told
"""


@pytest.mark.parametrize("row", rows(NEWS), ids=" ".join)
def test_what_is_said_of_finance_is_true(row: list[str]) -> None:
    model, reason, contacts, accepted, wallets_too, news = row
    facts = mandate(
        BillingModel(model),
        has_finance_contacts=contacts == "yes",
        tell_finance_about_wallets=wallets_too == "yes",
        notified_at=datetime(2026, 11, 23, 10, tzinfo=UTC) if accepted == "yes" else None,
    )
    assert finance_news(facts, Reason(reason)) is FinanceNews(news)


def test_balances_are_seen_by_those_entitled_only() -> None:
    seen = {
        (model.value, role.value if role else "-")
        for model in BillingModel
        for role in (*Role, None)
        if may_see_account(model, Viewer(role))
    }
    pool = {(model, role) for model in ("PREPAY_MANDATE", "POSTPAY", "UNLIMITED") for role in ("owner", "finance")}
    assert seen == pool | {("PREPAY_USER", role) for role in ("owner", "finance", "member")}


def test_a_mandates_cap_tells_a_member_nothing_about_the_others() -> None:
    member = Viewer(Role.MEMBER)
    assert may_see_cap(BillingModel.PREPAY_USER, "user", member)
    assert not may_see_cap(BillingModel.PREPAY_USER, "mandate", member)
    assert not may_see_cap(BillingModel.PREPAY_USER, "model", member)
    assert not may_see_cap(BillingModel.PREPAY_MANDATE, "user", member)
    assert may_see_cap(BillingModel.PREPAY_MANDATE, "mandate", Viewer(Role.FINANCE))
    assert not may_see_cap(BillingModel.PREPAY_USER, "user", Viewer(None))
