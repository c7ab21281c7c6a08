"""From who calls to who reads, in which language."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bursar.billing.callers import billing_facts, language_for, viewer_of
from bursar.billing.models import BillingFacts, BillingModel, Role
from bursar.identity.principal import Caller, CallerKind, MandateFacts, Person
from tests.billing.facts import MANDATE_ID


def known_mandate(**changes: Any) -> MandateFacts:
    facts: dict[str, Any] = {
        "mandate_id": MANDATE_ID,
        "name": "Helvetia Treuhand AG",
        "currency": "EUR",
        "status": "active",
        "language": "fr",
        "time_zone": "Europe/Paris",
        "billing_model": "PREPAY_USER",
        "credit_limit_nanos": None,
        "markup_percent": None,
        "allowed_models": None,
        "client_gone": "DRAIN",
        "users_on_first_sight": True,
        "notify_emails": (),
        "notify_language": None,
        **changes,
    }
    return MandateFacts(**facts)


def caller(kind: CallerKind, person: Person | None = None) -> Caller:
    return Caller(kind=kind, mandate=known_mandate(), key_id=None, key_name=None, person=person)


ANNA = Person(UUID(int=1), "member", "it", "Anna")


@pytest.mark.parametrize(("kind", "role"), [("root", Role.OWNER), ("admin", Role.OWNER), ("service", None)], ids=str)
def test_a_key_without_a_person(kind: CallerKind, role: Role | None) -> None:
    assert viewer_of(caller(kind)).role is role


@pytest.mark.parametrize("kind", ["user", "service", "session"])
def test_a_person_is_who_reads_whatever_key_was_used(kind: CallerKind) -> None:
    viewer = viewer_of(caller(kind, ANNA))
    assert viewer.role is Role.MEMBER
    assert not viewer.is_service


def test_the_mandate_as_a_refusal_speaks_of_it() -> None:
    at = datetime(2026, 11, 23, 10, tzinfo=UTC)
    told = known_mandate(notify_emails=("finance@example.ch",), notify_wallet_exhausted=True)
    assert billing_facts(told, notified_at=at) == BillingFacts(
        MANDATE_ID, "Helvetia Treuhand AG", BillingModel.PREPAY_USER, "EUR", "Europe/Paris", True, True, at
    )
    silent = billing_facts(known_mandate())
    assert (silent.has_finance_contacts, silent.tell_finance_about_wallets, silent.notified_at) == (False, False, None)


def test_the_language_is_the_headers_then_the_persons_then_the_mandates() -> None:
    assert language_for(caller("user", ANNA), "de") == "de"
    assert language_for(caller("user", ANNA), None) == "it"
    assert language_for(caller("service"), None) == "fr"
