"""From a ledger's rejection to the billing object: what happened, who is looking, and therefore what is said. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

from bursar.billing.billing_object import BillingObject, LimitObject
from bursar.billing.models import (
    MODEL_RULES,
    REMEDIES,
    BillingFacts,
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
from bursar.billing.texts import CapText, TextFacts, refusal_texts, told_texts
from bursar.foundation.money import NANOS_PER_UNIT
from bursar.ledger.model import Reason, Rejected

SHORTEST_RETRY_SECONDS: Final = 1
EXHAUSTED_BELOW_NANOS: Final = 1 * NANOS_PER_UNIT
"""MONEY.md, refusals: less than this is "exhausted" unless configured otherwise."""


def billing_object_for(
    rejected: Rejected,
    mandate: BillingFacts,
    viewer: Viewer,
    *,
    request_id: str | None,
    public_url: str,
    top_up_enabled: bool = True,
    affordable_output_tokens: int | None = None,
) -> BillingObject:
    """The billing object of one refusal, with texts in every language.

    `public_url` is the installation's (links are made from it); `top_up_enabled` whether it has any means of topping
    up; `affordable_output_tokens` what pricing makes of the payer's available money, for `REQUEST_TOO_LARGE`.
    Raises `ValueError` for a rejection that is no shortage.
    """
    reason = rejected.reason
    if reason not in REMEDIES:
        raise ValueError(f"{reason} is no shortage of money")
    if reason is Reason.LIMIT_REACHED and rejected.limit is None:
        raise ValueError("LIMIT_REACHED without the limit")
    model = mandate.billing_model
    rules = MODEL_RULES[model]
    scope = rejected.limit.scope if rejected.limit else None
    action = decide_user_action(model, reason, viewer, top_up_enabled=top_up_enabled, limit_scope=scope)
    news = finance_news(mandate, reason)
    sees_account = may_see_account(model, viewer)
    limit, cap = _limit(rejected, model, viewer) if reason is Reason.LIMIT_REACHED else (None, None)
    available = rejected.available_nanos if sees_account else None
    tokens = affordable_output_tokens if sees_account and reason is Reason.REQUEST_TOO_LARGE else None
    notified_at = mandate.notified_at if news is FinanceNews.TOLD else None
    texts = refusal_texts(
        TextFacts(
            reason=reason,
            subject=rules.subject,
            action=action,
            finance=news,
            mandate_name=mandate.name or str(mandate.mandate_id)[:8],
            currency=mandate.currency,
            time_zone=mandate.time_zone,
            required_nanos=rejected.required_nanos,
            available_nanos=available,
            affordable_output_tokens=tokens,
            notified_at=notified_at,
            cap=cap,
        )
    )
    return BillingObject(
        reason=reason,
        billing_model=model,
        user_action=action,
        payer=rules.payer,
        mandate_id=str(mandate.mandate_id),
        mandate_name=mandate.name,
        currency=mandate.currency,
        current_balance_nanos=available,
        required_amount_nanos=rejected.required_nanos,
        messages=texts,
        billing_url=billing_url(public_url, mandate.mandate_id) if action is UserAction.TOP_UP_SELF else None,
        notified_at=notified_at,
        retry_after_seconds=_retry_after(rejected),
        request_id=request_id,
        affordable_output_tokens=tokens,
        limit=limit,
    )


def told_since(billing: BillingObject, notified_at: datetime, time_zone: str) -> BillingObject:
    """A refusal that is shown once more, after finance was told: it says when, not that they are being told."""
    return replace(billing, notified_at=notified_at, messages=told_texts(billing.messages, notified_at, time_zone))


def billing_url(public_url: str, mandate_id: UUID) -> str:
    """The page where a mandate's money is topped up and its caps are changed."""
    return f"{public_url.rstrip('/')}/billing?mandate={quote(str(mandate_id))}"


def _retry_after(rejected: Rejected) -> int | None:
    if rejected.reason is not Reason.FUNDS_HELD:
        return None
    return max(rejected.retry_after_seconds or SHORTEST_RETRY_SECONDS, SHORTEST_RETRY_SECONDS)


def _limit(rejected: Rejected, model: BillingModel, viewer: Viewer) -> tuple[LimitObject | None, CapText | None]:
    """The cap as an object and as the texts need it, without amounts for who may not see them."""
    reached = rejected.limit
    if reached is None:
        return None, None
    seen = may_see_cap(model, reached.scope, viewer)
    amount = reached.amount_nanos if seen else None
    spent = reached.spent_nanos if seen else None
    return (
        LimitObject(reached.scope, reached.scope_id, reached.period, amount, spent, reached.resets_at),
        CapText(
            scope=reached.scope,
            scope_id=reached.scope_id,
            period=reached.period,
            resets_at=reached.resets_at,
            amount_nanos=amount,
            left_nanos=reached.amount_nanos - reached.spent_nanos if seen else None,
        ),
    )


def checked_balance(
    *,
    billing_model: BillingModel,
    available_nanos: int,
    required_nanos: int,
    mandate_id: UUID,
    mandate_name: str,
    currency: str,
    role: Role | None,
    reason: Reason | None,
    top_up_enabled: bool,
    public_url: str,
    has_finance_contacts: bool,
    notified_at: datetime | None,
    time_zone: str,
    request_id: str | None,
) -> BillingObject:
    """What `InsufficientBalance.from_balance_check` says: the refusal of an application's own check of a balance."""
    if reason is None:
        exhausted = available_nanos < EXHAUSTED_BELOW_NANOS
        reason = Reason.BALANCE_EXHAUSTED if exhausted else Reason.REQUEST_TOO_LARGE
    if REMEDIES.get(reason) == "money" and available_nanos >= required_nanos:
        raise ValueError("the balance suffices: there is nothing to refuse")
    return billing_object_for(
        Rejected(reason=reason, required_nanos=required_nanos, available_nanos=available_nanos),
        BillingFacts(
            mandate_id=mandate_id,
            name=mandate_name,
            billing_model=billing_model,
            currency=currency,
            time_zone=time_zone,
            has_finance_contacts=has_finance_contacts,
            tell_finance_about_wallets=notified_at is not None,
            notified_at=notified_at,
        ),
        Viewer(role),
        request_id=request_id,
        public_url=public_url,
        top_up_enabled=top_up_enabled,
    )
