"""How much to hold for a call, and how much output a hold pays for (MONEY.md, "How much to hold" 1, 2). Pure.

A quote is the arithmetic between a price and the bounds of one request, in whatever dialect it came.
Everything is computed with the dearest rates that may apply, so what a hold is said to pay for, it pays for.

Growing calls (every billed output token is seen as it streams) ask for a first slice of at most
`default_output_tokens` and are extended; all others ask for `choices × limit` at once, and what they are
granted is written into the request as its limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from bursar.foundation.money import MAX_AMOUNT_NANOS
from bursar.pricing.catalogue import CONFIGURATION, Priced
from bursar.pricing.cost import ANYTHING, PriceFeatures, WorstRates, compile_price, has_rate, worst_rates
from bursar.pricing.model import NotPriced, RateKind

MOST_OUTPUT_TOKENS: Final = 10_000_000
"""Stands in for a longest output that is not known; no model comes near it."""


class OutputSizes(Protocol):
    """What of the settings a quote needs; the installation's `Settings` are one, `QuoteSettings` is the plain one."""

    @property
    def minimum_output_tokens(self) -> int: ...
    @property
    def default_output_tokens(self) -> int: ...


@dataclass(frozen=True, slots=True)
class QuoteSettings:
    """The smallest useful answer, and what is held for where the caller gave no limit, in tokens per choice."""

    minimum_output_tokens: int = 256
    default_output_tokens: int = 4_096


class RequestBound(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The bounds of one request, as its dialect adds them up. Token counts are upper bounds.

    `text_tokens` is the bound by bytes, or the tokenizer's where that has been asked. `opaque_tokens` may
    turn out to be of any kind. `output_limit` is the caller's own, per choice (0: the route has no output,
    as embeddings). `visible_output` says that all billed output will be seen as it streams, as far as the
    request decides it: it streams, no thinking is asked for, no audio, no predicted output. The model's
    share of that question is in its facts. The tool counts are call caps. `fixed_nanos` is for what a
    dialect prices by itself. `least_output_tokens`: less output than that is of no use to this request.
    `asked_speed` is one that is dearer than the standard one, which the price has to know; so with
    `asked_output`, the kinds beside text (`audio`, `image`) that are asked for.
    """

    text_tokens: int
    image_tokens: int = 0
    audio_tokens: int = 0
    opaque_tokens: int = 0
    choices: int = 1
    output_limit: int | None = None
    visible_output: bool = False
    web_searches: int = 0
    file_searches: int = 0
    social_searches: int = 0
    code_executions: int = 0
    fixed_nanos: int = 0
    least_output_tokens: int = 0
    asked_speed: str | None = None
    asked_output: frozenset[str] = frozenset()
    features: PriceFeatures = ANYTHING

    @property
    def input_tokens(self) -> int:
        return self.text_tokens + self.image_tokens + self.audio_tokens + self.opaque_tokens


class Quote(msgspec.Struct, frozen=True, gc=False):
    """What to ask the ledger for. Amounts are nanos; token counts are per choice.

    `output_ceiling` is the longest output the call can have: the caller's limit or the model's.
    `asked_output_tokens` is the caller's limit, if there was one. `growing`: take a slice, then extend.
    """

    input_bound_nanos: int
    minimum_nanos: int
    desired_nanos: int
    minimum_output_tokens: int
    output_tokens_desired: int
    output_ceiling: int
    asked_output_tokens: int | None
    growing: bool
    choices: int
    default_output_tokens: int
    input_numerator: int
    output_numerator: int
    """Of one more token in each choice. Both numerators are over `denominator`."""
    denominator: int

    def nanos_for(self, output_tokens: int) -> int:
        """What to hold so that the input and this much output per choice are paid for, rounded up once."""
        return -(-(self.input_numerator + self.output_numerator * output_tokens) // self.denominator)


@dataclass(frozen=True, slots=True)
class Extension:
    """The next slice of a growing call, as the totals that the ledger's extension wants."""

    minimum_total_nanos: int
    desired_total_nanos: int


DEFAULTS: Final = QuoteSettings()

_OUTPUT_KINDS: Final[Mapping[str, RateKind]] = {"audio": "output_audio", "image": "output_image"}
"""OpenAI's audio costs many times what its text does, and the catalogue leaves it out for some models: falling back on
the rate of text would give it away."""


def quote(priced: Priced, bound: RequestBound, settings: OutputSizes = DEFAULTS) -> Quote:
    """The minimum and the desired amount of a call's hold.

    Raises `NotPriced` where the price has no rate for something that the request may be charged for:
    output at all, a tool, or input of a kind that the model charges in a way that is not priced.
    """
    price, facts = priced.price, priced.facts
    _refuse_unpriced(priced, bound)
    rates = worst_rates(price, bound.features, input_tokens=bound.input_tokens)
    numerator = _input_numerator(rates, bound)

    ceiling = MOST_OUTPUT_TOKENS if facts.max_output_tokens is None else facts.max_output_tokens
    if bound.output_limit is not None:
        ceiling = min(ceiling, bound.output_limit)
    growing = (
        bound.visible_output
        and bound.choices == 1
        and not facts.hidden_reasoning
        and not (bound.features.audio_output and has_rate(price, "output_audio"))
        and not (bound.features.image_output and has_rate(price, "output_image"))
        and ceiling > 0
    )
    whole = ceiling if bound.output_limit is not None and not growing else settings.default_output_tokens
    minimum_tokens = min(max(settings.minimum_output_tokens, bound.least_output_tokens), ceiling)
    desired_tokens = max(minimum_tokens, min(whole, ceiling))

    output_numerator = rates.output * bound.choices
    minimum = _nanos(numerator + output_numerator * minimum_tokens, rates.denominator)
    desired = _nanos(numerator + output_numerator * desired_tokens, rates.denominator)
    return Quote(
        input_bound_nanos=_nanos(numerator, rates.denominator),
        minimum_nanos=minimum,
        desired_nanos=max(minimum, min(desired, MAX_AMOUNT_NANOS)),
        minimum_output_tokens=minimum_tokens,
        output_tokens_desired=desired_tokens,
        output_ceiling=ceiling,
        asked_output_tokens=bound.output_limit,
        growing=growing,
        choices=bound.choices,
        default_output_tokens=settings.default_output_tokens,
        input_numerator=numerator,
        output_numerator=output_numerator,
        denominator=rates.denominator,
    )


def affordable_output_tokens(quote: Quote, nanos: int) -> int:
    """The most output tokens per choice that an amount pays for beside the whole input; 0 if not even
    that."""
    left = nanos * quote.denominator - quote.input_numerator
    if left < 0:
        return 0
    if quote.output_numerator == 0:
        return quote.output_ceiling
    return min(quote.output_ceiling, left // quote.output_numerator)


def granted_output_tokens(quote: Quote, granted_nanos: int) -> int:
    """The output tokens per choice that a granted hold pays for, at most what was desired."""
    return min(quote.output_tokens_desired, affordable_output_tokens(quote, granted_nanos))


def output_limit_to_write(quote: Quote, granted_nanos: int) -> int | None:
    """The limit per choice to write into the request that goes upstream; `None` where the request stays as it
    is.

    Calls that cannot grow get what they were granted, unless that is all that the caller asked for.
    """
    if quote.growing or quote.asked_output_tokens == 0:
        return None
    granted = granted_output_tokens(quote, granted_nanos)
    return None if granted == quote.asked_output_tokens else granted


def clamped_output_tokens(quote: Quote, granted_nanos: int) -> int | None:
    """N of `x-bursar-output-clamped: N`: the limit that was written where the caller had asked for more."""
    written = output_limit_to_write(quote, granted_nanos)
    return written if quote.asked_output_tokens is not None else None


def extension(quote: Quote, held_nanos: int) -> Extension | None:
    """The next slice of a growing call whose hold is nearly used; `None` if the hold already pays for the
    longest output.

    The minimum is one smallest useful answer more, the desired total one slice more.
    """
    paid = affordable_output_tokens(quote, held_nanos)
    if paid >= quote.output_ceiling:
        return None
    least = min(quote.output_ceiling, paid + max(1, quote.minimum_output_tokens))
    most = min(quote.output_ceiling, paid + max(1, quote.default_output_tokens))
    return Extension(quote.nanos_for(least), max(quote.nanos_for(least), quote.nanos_for(most)))


def _input_numerator(rates: WorstRates, bound: RequestBound) -> int:
    return (
        rates.request
        + rates.text_input * bound.text_tokens
        + rates.image_input * bound.image_tokens
        + rates.audio_input * bound.audio_tokens
        + rates.opaque_input * bound.opaque_tokens
        + rates.web_search * bound.web_searches
        + rates.file_search * bound.file_searches
        + rates.social_search * bound.social_searches
        + rates.code_execution * bound.code_executions
        + rates.denominator * bound.fixed_nanos
    )


def _refuse_unpriced(priced: Priced, bound: RequestBound) -> None:
    price, facts = priced.price, priced.facts
    if bound.output_limit != 0 and not has_rate(price, "output"):
        raise NotPriced(facts.model, "output")
    wanted: tuple[tuple[RateKind, int], ...] = (
        ("web_search", bound.web_searches),
        ("file_search", bound.file_searches),
        ("social_search", bound.social_searches),
        ("code_execution", bound.code_executions),
    )
    for kind, count in wanted:
        if count and not has_rate(price, kind):
            raise NotPriced(facts.model, kind)
    if bound.asked_speed is not None and bound.asked_speed not in compile_price(price).speeds:
        raise NotPriced(facts.model, "speed")
    if price.catalogue != CONFIGURATION:  # Who sets a price of their own has said what these cost.
        for output in sorted(bound.asked_output):
            if not has_rate(price, _OUTPUT_KINDS[output]):
                raise NotPriced(facts.model, f"{output} output")
        if bound.audio_tokens and facts.family.vendor == "openai" and not has_rate(price, "input_audio"):
            raise NotPriced(facts.model, "audio input")
    if bound.audio_tokens and "audio" in facts.unpriced_inputs:
        raise NotPriced(facts.model, "audio input")
    if bound.opaque_tokens and facts.unpriced_inputs:
        raise NotPriced(facts.model, f"{min(facts.unpriced_inputs)} input")


def _nanos(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
