"""Management route of what a billing page opens with: who pays, what was spent, when it ends, how to top up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends
from starlette.requests import Request

from bursar.billing import usage
from bursar.billing.models import MAY_TOP_UP, MODEL_RULES, BillingModel, Role
from bursar.foundation.money import format_amount
from bursar.identity.access import Action, rank_of
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, may
from bursar.identity.principal import BillingModelName, MandateStatus
from bursar.identity.wire import Answer
from bursar.identity.wiring import Wiring, wiring_of
from bursar.ledger.model import Payer
from bursar.notices.levels import LOOKS_BACK, burn_seen

router = APIRouter(tags=["money"])

# Late adjustments count as the notices count them.
_BURNT: Final = """
    SELECT account.credits_posted - account.debits_posted - account.debits_pending
               + CASE WHEN account.kind = 'pool' AND terms.billing_model = 'POSTPAY'
                      THEN coalesce(terms.credit_limit_nanos, 0) ELSE 0 END AS available,
           coalesce(burnt.spent, 0) AS spent, burnt.first_at, now() AS now
      FROM account JOIN billing_settings AS terms ON terms.mandate_id = account.mandate_id
      LEFT JOIN LATERAL (
           SELECT sum(transfer.amount_nanos)::bigint AS spent, min(transfer.at) AS first_at FROM transfer
            WHERE transfer.mandate_id = account.mandate_id AND transfer.debit_account_id = account.account_id
              AND transfer.kind IN ('CHARGE', 'LATE_ADJUSTMENT') AND transfer.at > now() - $3::interval
           ) AS burnt ON true
     WHERE account.mandate_id = $1 AND account.account_id = $2"""


class ForecastAnswer(Answer):
    """Straight on from the mean of the last seven days, as the notices reckon; an order of magnitude."""

    per_day: str
    ends_at: datetime


class OnlineAnswer(Answer):
    provider: str
    minimum: str
    maximum: str


class MeansAnswer(Answer):
    """By what the caller may top up here."""

    voucher: bool
    online: OnlineAnswer | None
    by_hand: bool
    """Operators post top-ups."""
    from_pool: bool
    """Owners and finance move money from the pool to wallets."""


class OverviewAnswer(Answer):
    mandate_id: UUID
    name: str
    status: MandateStatus
    currency: str
    time_zone: str
    billing_model: BillingModelName
    payer: Payer
    """What pays for the caller's calls here."""
    sees_pool: bool
    may_top_up: bool
    """Whether the caller may top up the payer, and has a means."""
    spent_this_month: str
    """What the caller may see of it: a member's own calls."""
    calls_this_month: int
    forecast: ForecastAnswer | None
    """Of the pool for those who see it, else of the caller's wallet where that pays; `None` where nothing is known."""
    means: MeansAnswer


@router.get("/api/mandates/{mandateId}/billing-overview", responses=refusals())
async def read_overview(
    request: Request, visitor: Annotated[Visitor, Depends(may(Action.READ_BALANCE))]
) -> OverviewAnswer:
    """What a billing page opens with, as far as the caller may see it."""
    wiring, mandate, own = wiring_of(request), visitor.mandate, visitor.own_user_id
    month = datetime.now(ZoneInfo(mandate.time_zone)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spent = await usage.get_usage(
        wiring.database,
        mandate.mandate_id,
        "model",
        time_zone=mandate.time_zone,
        begin=month.astimezone(UTC),
        of_user=own,
    )
    payer = MODEL_RULES[BillingModel(mandate.billing_model)].payer
    means = _means(wiring, visitor)
    able = means.by_hand or (wiring.top_up_enabled and _role(visitor) in MAY_TOP_UP[payer])
    return OverviewAnswer(
        mandate_id=mandate.mandate_id,
        name=mandate.name,
        status=mandate.status,
        currency=mandate.currency,
        time_zone=mandate.time_zone,
        billing_model=mandate.billing_model,
        payer=payer,
        sees_pool=own is None,
        may_top_up=able,
        spent_this_month=format_amount(spent.total.amount_nanos),
        calls_this_month=spent.total.calls,
        forecast=await _forecast(wiring, visitor, payer),
        means=means,
    )


def _role(visitor: Visitor) -> Role | None:
    rank = rank_of(visitor.caller)
    return Role(rank) if rank in ("owner", "finance", "member") else Role.OWNER if rank == "operator" else None


def _means(wiring: Wiring, visitor: Visitor) -> MeansAnswer:
    stripe = wiring.payments.stripe
    online = None
    if stripe is not None:
        online = OnlineAnswer(
            provider="stripe",
            minimum=format_amount(stripe.minimum_nanos),
            maximum=format_amount(stripe.maximum_nanos),
        )
    return MeansAnswer(
        voucher=wiring.vouchers_enabled,
        online=online,
        by_hand=visitor.is_operator,
        from_pool=visitor.own_user_id is None,
    )


async def _forecast(wiring: Wiring, visitor: Visitor, payer: Payer) -> ForecastAnswer | None:
    mandate, own = visitor.mandate, visitor.own_user_id
    if mandate.billing_model == "UNLIMITED" or (own is not None and payer == "pool"):
        return None
    account_id = mandate.mandate_id if own is None else own
    async with wiring.database.as_mandate(mandate.mandate_id) as connection:
        row = await connection.fetchrow(_BURNT, mandate.mandate_id, account_id, LOOKS_BACK)
    if row is None or row["first_at"] is None:
        return None
    seen = burn_seen(row["available"], row["spent"], row["now"] - row["first_at"], row["now"], timedelta(0))
    if seen.facts is None:
        return None
    return ForecastAnswer(
        per_day=format_amount(seen.facts["perDayNanos"]), ends_at=datetime.fromisoformat(seen.facts["endsAt"])
    )
