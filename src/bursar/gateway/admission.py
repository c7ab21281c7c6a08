"""Admission: from a request's bytes to money that is set aside for it, or the reason why not.

Owns the order of the questions (who, what, by whom, at what price, how much) and the table `price`. A call that comes
out of here has a hold; there is no other way to a provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from bursar.billing.models import BillingFacts, BillingModel
from bursar.billing.problem import HttpRefusal, http_refusal
from bursar.billing.refusal import billing_object_for
from bursar.billing.texts import choose_language
from bursar.foundation.money import MAX_AMOUNT_NANOS
from bursar.gateway.asgi import RequestHead
from bursar.gateway.callers import CallParty, identify, read_tags
from bursar.gateway.dialects.seam import CallRequest, Dialect, FaultKind, GatewayFault, feature_not_priced, invalid
from bursar.gateway.held_caps import left_to_hold, too_much_held
from bursar.gateway.upstreams import EvenLots, Route
from bursar.gateway.wiring import Configuration, GatewayWiring
from bursar.ledger.engine import LedgerUnavailable
from bursar.ledger.model import SHORTAGES, Command, Granted, Outcome, Reason, Rejected, Reserve
from bursar.pricing.catalogue import ExchangeRateMissing, ModelNotPriced, Priced
from bursar.pricing.model import NotPriced, PriceUsed
from bursar.pricing.quote import Quote, RequestBound, affordable_output_tokens, quote

RICH_TIMES: Final = 4
"""An account that last had so many times a call's cheap bound is asked with it; for others text is counted first, so
that no alarm is raised for a call that is affordable after all."""

LOOK_AGAIN_SECONDS: Final = (0.05, 0.25, 0.9)
"""Pauses before asking again where the mandate's terms have just changed: what is remembered of them may be a second
old."""

COUNTED_HERE_BYTES: Final = 16_384
"""Text of a request up to this size is counted where we are (half a millisecond); of a larger one in a thread."""

_MOST_KNOWN: Final = 20_000
_PRICE: Final = "INSERT INTO price (price_id, content) VALUES ($1, $2) ON CONFLICT DO NOTHING"


class Refused(Exception):
    """A shortage of money: 402, or 429 for money that others hold."""

    def __init__(self, refusal: HttpRefusal, reason: Reason) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.reason = reason


class Asked(msgspec.Struct, frozen=True):
    """A request that is understood and priced, before money is asked for."""

    hold_id: UUID
    head: RequestHead
    body: bytes
    party: CallParty
    request: CallRequest
    routes: tuple[Route, ...]
    """The one whose price was taken, then others at the same price."""
    dearer_or_cheaper: tuple[Route, ...]
    """Those to be asked after them, at another price: with another hold (`elsewhere`)."""
    priced: Priced
    tags: Mapping[str, str] | None
    configuration: Configuration
    may_hold_nanos: int | None = None
    """What the key or the mandate may still hold; `None` where that is not capped."""


class Admitted(msgspec.Struct, frozen=True):
    """A call that money is set aside for."""

    asked: Asked
    quote: Quote
    granted: Granted


class Admission:
    def __init__(self, wiring: GatewayWiring) -> None:
        self._wiring = wiring
        self._lots = EvenLots()
        self._prices_written: dict[UUID, None] = {}
        self._last_available: dict[UUID, int] = {}
        """By account: what it had left, as far as this worker knows."""

    # --- what is asked -----------------------------------------------------------------------------------------------

    def understand(
        self,
        dialect: Dialect,
        configuration: Configuration,
        party: CallParty,
        head: RequestHead,
        body: bytes,
        hold_id: UUID,
    ) -> Asked:
        """Read, route and price a request. Raises `GatewayFault`."""
        request = dialect.read_request(body, configuration.unpriced_fields)
        model = request.model
        if not is_allowed(model, party.mandate.allowed_models):
            raise GatewayFault(FaultKind.FORBIDDEN, f"This mandate may not use '{model[:100]}'.", field="model")
        if not is_allowed(model, party.caller.allowed_models):
            raise GatewayFault(FaultKind.FORBIDDEN, f"This key may not use '{model[:100]}'.", field="model")
        routes = self._routes(dialect, configuration, model)
        priced, alike, others = self._at_one_price(configuration, party, model, routes)
        return Asked(hold_id, head, body, party, request, alike, others, priced, read_tags(head), configuration)

    def elsewhere(self, asked: Asked, hold_id: UUID) -> Asked:
        """The same call at the next upstream's price: those before it have surely not run it."""
        routes = asked.dearer_or_cheaper
        priced, alike, others = self._at_one_price(asked.configuration, asked.party, asked.request.model, routes)
        return msgspec.structs.replace(
            asked, hold_id=hold_id, routes=alike, dearer_or_cheaper=others, priced=priced, may_hold_nanos=None
        )

    def _at_one_price(
        self, configuration: Configuration, party: CallParty, model: str, routes: Sequence[Route]
    ) -> tuple[Priced, tuple[Route, ...], tuple[Route, ...]]:
        """The first route's price, the routes up to the first one at another price, and the rest of them.

        A route without a price is not asked; where none has one, `GatewayFault`.
        """
        if len(routes) == 1:
            return self._price(configuration, party, model, routes[0]), (routes[0],), ()
        found: list[tuple[Route, Priced]] = []
        why: GatewayFault | None = None
        for route in routes:
            try:
                found.append((route, self._price(configuration, party, model, route)))
            except GatewayFault as fault:
                why = why or fault
        if not found:
            assert why is not None
            raise why
        price = found[0][1].price
        place = next((place for place, (_, other) in enumerate(found) if other.price != price), len(found))
        ordered = tuple(route for route, _ in found)
        return found[0][1], ordered[:place], ordered[place:]

    def _routes(self, dialect: Dialect, configuration: Configuration, model: str) -> Sequence[Route]:
        """Those whose upstreams are well, the first to be tried first. Before anything is held for the call."""
        routes = configuration.upstreams.routes(dialect, model, self._lots)
        if not routes or not model.isprintable():  # PostgreSQL stores no NUL; a name has no business with others.
            raise GatewayFault(FaultKind.UNKNOWN_MODEL, f"No upstream serves the model '{model[:100]}'.", field="model")
        health = self._wiring.health
        now = health.now()
        if len(routes) == 1 and routes[0].circuit(health).allows(now):
            return routes
        well = [route for route in routes if route.circuit(health).allows(now)]
        if not well:
            raise GatewayFault(
                FaultKind.UPSTREAM_UNAVAILABLE,
                "The provider of this model does not serve at the moment; nothing was charged.",
                retry_after_seconds=min(route.circuit(health).wait_seconds(now) for route in routes),
            )
        return well

    def _price(self, configuration: Configuration, party: CallParty, model: str, route: Route) -> Priced:
        mandate = party.mandate
        try:
            return configuration.catalogue.price(
                model,
                route.upstream.settings.base_url,
                self._wiring.clock.now(),
                currency=mandate.currency,
                markup_percent=mandate.markup_percent,
            )
        except ExchangeRateMissing as error:
            self._wiring.alert("exchange_rate_missing", {"setting": error.setting, "model": model})
            message = f"The model '{model[:100]}' has no price in {mandate.currency}: {error.setting} is not set."
            raise GatewayFault(FaultKind.MODEL_NOT_PRICED, message, field="model") from error
        except ModelNotPriced as error:
            raise GatewayFault(FaultKind.MODEL_NOT_PRICED, f"No price is known: {error}.", field="model") from error

    # --- the money ---------------------------------------------------------------------------------------------------

    async def reserve(self, asked: Asked) -> Admitted:
        """Set money aside. Raises `Refused`, and `GatewayFault` where the call cannot be made at all."""
        await self._write_price(asked.priced.price)
        party = asked.party
        limited = party.limited
        left_nanos = None
        if limited:
            left_nanos = await left_to_hold(self._wiring.database, party.mandate.mandate_id, limited)
        if left_nanos is not None:
            asked = msgspec.structs.replace(asked, may_hold_nanos=max(0, left_nanos))
        for pause in (*LOOK_AGAIN_SECONDS, None):
            wanted, outcome = await self._ask(asked)
            self._remember(asked.party.account_id, outcome)
            if isinstance(outcome, Granted):
                return Admitted(asked, wanted, outcome)
            if not isinstance(outcome, Rejected):
                break
            if outcome.reason in SHORTAGES:
                raise await self.refused(asked, outcome, wanted)
            if outcome.reason is Reason.MANDATE_NOT_ACTIVE:
                raise GatewayFault(FaultKind.FORBIDDEN, "The mandate is not active.")
            if outcome.reason is Reason.OUT_OF_RANGE:
                raise GatewayFault(FaultKind.INVALID_REQUEST, "This call could cost more than any account can hold.")
            if outcome.reason is not Reason.TERMS_CHANGED or pause is None:
                break
            await asyncio.sleep(pause)
            asked = msgspec.structs.replace(asked, party=await identify(self._wiring.identities, asked.head))
        raise GatewayFault(FaultKind.LEDGER_UNAVAILABLE, "The ledger cannot decide now.", retry_after_seconds=1)

    async def _ask(self, asked: Asked) -> tuple[Quote, Outcome]:
        """Ask with the cheap bounds where there is money enough, else with text counted by a tokenizer."""
        cheap = self._quote(asked, asked.request.bounds(asked.priced.facts, exact=False))
        available = self._last_available.get(asked.party.account_id)
        outcome: Outcome | None = None
        fits = asked.may_hold_nanos is None or asked.may_hold_nanos >= cheap.minimum_nanos
        if fits and available is not None and available >= RICH_TIMES * cheap.minimum_nanos:
            outcome = await self._submit(_reserve(asked, cheap))
            if not isinstance(outcome, Rejected) or outcome.reason not in SHORTAGES:
                return cheap, outcome
        exact = self._quote(asked, await exact_bound(asked))
        if outcome is not None and exact.minimum_nanos >= cheap.minimum_nanos:
            return cheap, outcome
        return exact, await self._submit(_reserve(asked, exact))

    def _quote(self, asked: Asked, bound: RequestBound) -> Quote:
        try:
            return quote(asked.priced, bound, asked.configuration.quotes)
        except NotPriced as error:
            raise feature_not_priced(error.kind, f"{error.model} has no price for it") from error

    async def _submit(self, command: Command) -> Outcome:
        try:
            return await self._wiring.ledger.submit(command)
        except LedgerUnavailable as error:
            raise ledger_unavailable(error.retry_after_seconds) from error

    def _remember(self, account_id: UUID, outcome: Outcome) -> None:
        left: int | None = None
        if isinstance(outcome, Granted):
            # Without a figure nothing limits the account.
            before = outcome.available_nanos
            left = MAX_AMOUNT_NANOS if before is None else before - outcome.amount_nanos
        elif isinstance(outcome, Rejected) and outcome.reason in SHORTAGES:
            left = outcome.available_nanos
        if left is not None:
            if len(self._last_available) >= _MOST_KNOWN:
                self._last_available.clear()
            self._last_available[account_id] = left

    async def _write_price(self, price: PriceUsed) -> None:
        """The price's row exists before anything refers to it; each worker makes sure of that once."""
        if price.price_id in self._prices_written:
            return
        try:
            await self._wiring.database.app_pool.execute(_PRICE, price.price_id, price.content(), timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ledger_unavailable(1) from error
        if len(self._prices_written) >= _MOST_KNOWN:
            self._prices_written.clear()
        self._prices_written[price.price_id] = None

    # --- the refusal -------------------------------------------------------------------------------------------------

    async def refused(self, asked: Asked, rejected: Rejected, wanted: Quote) -> Refused:
        """What a shortage is answered with, as the person may see it."""
        party, mandate = asked.party, asked.party.mandate
        facts = BillingFacts(
            mandate_id=mandate.mandate_id,
            name=mandate.name,
            billing_model=BillingModel(mandate.billing_model),
            currency=mandate.currency,
            time_zone=mandate.time_zone,
            has_finance_contacts=bool(mandate.notify_emails),
            tell_finance_about_wallets=mandate.notify_wallet_exhausted,
        )
        if rejected.reason is Reason.BALANCE_EXHAUSTED:
            notified_at = await self._wiring.notified_at(mandate.mandate_id, party.account_id)
            facts = replace(facts, notified_at=notified_at)
        billing = billing_object_for(
            rejected,
            facts,
            party.viewer,
            request_id=str(asked.hold_id),
            public_url=self._wiring.public_url,
            top_up_enabled=self._wiring.top_up_enabled,
            affordable_output_tokens=affordable_output_tokens(wanted, max(0, rejected.available_nanos)),
        )
        user_language = party.person.language if party.person is not None else None
        language = choose_language(asked.head.get(b"accept-language"), user_language, mandate.language)
        return Refused(http_refusal(billing, language), rejected.reason)


def is_allowed(model: str, allowed: tuple[str, ...] | None) -> bool:
    """Whether a mandate or a key may use a model; `allowed` has names and globs, `None` allows all."""
    return allowed is None or any(fnmatchcase(model, pattern) for pattern in allowed)


def ledger_unavailable(retry_after_seconds: int) -> GatewayFault:
    return GatewayFault(
        FaultKind.LEDGER_UNAVAILABLE,
        "The ledger cannot be reached, and nothing runs unpaid: try again shortly.",
        retry_after_seconds=retry_after_seconds,
    )


async def exact_bound(asked: Asked) -> RequestBound:
    """The bounds with text counted by a tokenizer; a long text is counted beside the event loop."""
    bounds, facts = asked.request.bounds, asked.priced.facts
    try:
        if len(asked.body) <= COUNTED_HERE_BYTES:
            return bounds(facts, exact=True)
        return await asyncio.to_thread(bounds, facts, exact=True)
    except RecursionError:
        raise invalid(None, "The body is nested too deeply.") from None


def _reserve(asked: Asked, wanted: Quote) -> Reserve:
    """Raises `GatewayFault` (429) where the key or the mandate may not hold so much now."""
    desired_nanos = wanted.desired_nanos
    if asked.may_hold_nanos is not None:
        if asked.may_hold_nanos < wanted.minimum_nanos:
            raise too_much_held()
        desired_nanos = min(desired_nanos, asked.may_hold_nanos)
    party, caller = asked.party, asked.party.caller
    return Reserve(
        mandate_id=party.mandate.mandate_id,
        hold_id=asked.hold_id,
        account_id=party.account_id,
        payer=party.payer,
        billing_model=party.mandate.billing_model,
        minimum_nanos=wanted.minimum_nanos,
        desired_nanos=desired_nanos,
        input_bound_nanos=wanted.input_bound_nanos,
        ttl_seconds=asked.configuration.hold_ttl_seconds,
        user_id=party.person.user_id if party.person is not None else None,
        key_id=caller.key_id,
        model=asked.request.model,
        upstream=asked.routes[0].upstream.name,
        price_id=asked.priced.price.price_id,
        tags=asked.tags,
    )
