"""The facts that billing's tests start from: one mandate, one shortage, one cap."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bursar.billing.billing_object import BillingObject
from bursar.billing.models import BillingFacts, BillingModel, Role, Viewer
from bursar.billing.refusal import billing_object_for
from bursar.ledger.model import LimitScope, ReachedLimit, Reason, Rejected

MANDATE_ID = UUID("0198c0de-0000-4000-8000-000000000001")
REQUEST_ID = "0198c0de-0000-7000-8000-00000000abcd"
FIRST_OF_DECEMBER = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
"""Midnight in Zurich."""


def mandate(model: BillingModel = BillingModel.PREPAY_MANDATE, **changes: Any) -> BillingFacts:
    facts: dict[str, Any] = {"name": "Helvetia Treuhand AG", "currency": "CHF", "has_finance_contacts": True, **changes}
    return BillingFacts(MANDATE_ID, billing_model=model, **facts)


def shortage(reason: Reason, scope: LimitScope = "user", **changes: Any) -> Rejected:
    """0.0041 available, 0.012 required; a cap of 5.00 with 4.40 spent."""
    figures: dict[str, Any] = {"required_nanos": 12_000_000, "available_nanos": 4_100_000}
    if reason is Reason.LIMIT_REACHED:
        figures["limit"] = reached_limit(scope)
    return Rejected(reason, **{**figures, **changes})


def reached_limit(scope: LimitScope, spent_nanos: int = 4_400_000_000) -> ReachedLimit:
    scope_id = "gpt-5-mini" if scope == "model" else "some-id"
    return ReachedLimit(MANDATE_ID, scope, scope_id, "month", 5 * 10**9, spent_nanos, FIRST_OF_DECEMBER)


def refused(
    reason: Reason = Reason.BALANCE_EXHAUSTED,
    model: BillingModel = BillingModel.PREPAY_MANDATE,
    role: Role | None = Role.MEMBER,
    *,
    scope: LimitScope = "user",
    top_up_enabled: bool = True,
    tokens: int | None = 700,
    **mandate_changes: Any,
) -> BillingObject:
    return billing_object_for(
        shortage(reason, scope),
        mandate(model, **mandate_changes),
        Viewer(role),
        request_id=REQUEST_ID,
        public_url="https://ai.example.ch/",
        top_up_enabled=top_up_enabled,
        affordable_output_tokens=tokens,
    )
