"""What one call has used up to now, whether its hold still pays for it, and what to charge at its end. Pure.

Output is counted in two steps: by the bytes of its text, which are never fewer than its tokens, as long as the hold
pays even for that; else by a tokenizer, over a window of text that is closed from time to time, so that nothing is
counted twice and a token that lies across two events counts once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from bursar.gateway.dialects.seam import NO_USAGE, CallRequest, Produced, Reading, UsageReport
from bursar.gateway.sse import SseEvent, SseSplitter
from bursar.ledger.model import CostSource
from bursar.pricing.catalogue import Priced
from bursar.pricing.cost import cost_nanos
from bursar.pricing.families import EXACT
from bursar.pricing.model import Usage
from bursar.pricing.quote import Quote, RequestBound, affordable_output_tokens
from bursar.pricing.tokens import count_tokens

MOST_DEFERRED_BYTES: Final = 65_536
"""Events that are kept unread, because the hold pays for their very bytes, are read above this."""

WINDOW_BYTES: Final = 4_096
"""Text that is counted anew with every question; what is older is counted once. A tenth of a millisecond."""

MOST_PIECES: Final = 256
"""Pieces of text are joined above this, because many small strings take much memory."""

MOST_TOKENS: Final = 10_000_000
"""Stands in for a context or a longest output that is not known: no model comes near it."""

MOST_BYTES_PER_TOKEN: Final = 10
"""Of delivered text, by the provider's count of its tokens: above this it is counted here, too. Prose has 4 to 5."""

ENVELOPE_BYTES: Final = 384
"""Of an event around its text, where events were not read; the largest that was seen has some 300."""

SOME_TOKENS: Final = 32
"""So few more or less say nothing about how a provider counts."""

LEAST_STEP_TOKENS: Final = 16
"""The smallest extension that is asked for: what remains of a balance is delivered down to so few tokens."""


_NOTHING: Final = Produced()


class Ending(Enum):
    """How a call came to its end."""

    COMPLETE = "complete"
    """The upstream's answer is whole, and the client had it."""
    DRAINED = "drained"
    """The client had gone; the upstream's answer was read to its end."""
    STOPPED = "stopped"
    """Stopped by us: for lack of money, or because the client had gone."""
    BROKEN = "broken"
    """The upstream broke off, or never answered."""


class Charge(NamedTuple):
    """What a call is settled at. `alert` is why an operator should look at it, `event` what that is called."""

    actual_nanos: int
    cost_source: CostSource
    usage: Usage
    alert: str | None = None
    event: Literal["usage_not_believed", "usage_understated"] = "usage_not_believed"


class Slice(NamedTuple):
    """The totals of an extension."""

    minimum_total_nanos: int
    desired_total_nanos: int


class Meter:
    """Feed it what was read of the answer, event by event, or the whole body at once."""

    __slots__ = (
        "_always_covered",
        "_counted",
        "_deferred",
        "_deferred_bytes",
        "_delivered_bytes",
        "_extra",
        "_held_nanos",
        "_is_current",
        "_last",
        "_opening",
        "_paid_tokens",
        "_pieces",
        "_priced",
        "_quote",
        "_read",
        "_report",
        "_request",
        "_unsure_bytes",
        "_window_tokens",
    )

    def __init__(
        self,
        request: CallRequest,
        priced: Priced,
        quote: Quote,
        held_nanos: int,
        read: Callable[[SseEvent], Reading] | None = None,
    ) -> None:
        """`read` reads events that were taken in unread."""
        self._request = request
        self._read = read
        self._deferred: list[bytes] = []
        self._deferred_bytes = 0
        self._priced = priced
        self._quote = quote
        self._report = NO_USAGE
        self._is_current = False  # Whether the report came with the last output, or after it.
        self._opening: Usage | None = None
        self._counted = 0  # Tokens of the windows that are closed.
        self._pieces: list[str] = []  # The open window.
        self._window_tokens = 0  # Its tokens when it was last counted,
        self._unsure_bytes = 0  # and the bytes that came since.
        self._delivered_bytes = 0  # Of all text that was read.
        self._extra = 0
        self._last = _NOTHING
        self.extended(held_nanos)

    # --- while it runs -----------------------------------------------------------------------------------------------

    @property
    def held_nanos(self) -> int:
        return self._held_nanos

    @property
    def produced_anything(self) -> bool:
        self._read_deferred()
        return bool(self._pieces) or self._counted > 0

    @property
    def has_usage(self) -> bool:
        """Whether the provider has reported its usage, believable or not."""
        return self._report is not NO_USAGE

    @property
    def reported_usage(self) -> Usage | None:
        """What the provider has reported by now, believable or not."""
        return self._report.usage

    def extended(self, held_nanos: int) -> None:
        """What the hold is worth now, in all."""
        self._held_nanos = held_nanos
        self._paid_tokens = affordable_output_tokens(self._quote, held_nanos)
        self._always_covered = not self._quote.growing or self._paid_tokens >= self._quote.output_ceiling

    def takes(self, block: bytes) -> bool:
        """Take in whole events that are nothing but output (`Dialect.skim`), if the hold pays for their very bytes.

        They are read when their tokens have to be known. False where the events are to be added one by one.
        """
        size = len(block)
        if not self._always_covered:
            fixed = self._counted + self._extra + self._window_tokens + self._unsure_bytes
            if fixed + self._deferred_bytes + size > self._paid_tokens:
                return False
        self._deferred.append(block)
        self._deferred_bytes += size
        self._last = _NOTHING  # What was taken in is delivered, and what came before it.
        self._is_current = False
        if self._deferred_bytes > MOST_DEFERRED_BYTES:
            self._read_deferred()
        return True

    def _read_deferred(self) -> None:
        if self._deferred and self._read is not None:
            deferred, self._deferred, self._deferred_bytes = self._deferred, [], 0
            last = self._last
            for event in SseSplitter().feed(b"".join(deferred)):
                self.add(self._read(event))
            self._last = last

    def add(self, reading: Reading) -> None:
        """Count what was read."""
        produced, report = reading.produced, reading.report
        if self._deferred and produced.text:
            self._read_deferred()  # What came first is counted first.
        self._last = produced
        if produced.text:
            size = _utf8_length(produced.text)
            self._pieces.append(produced.text)
            self._unsure_bytes += size
            self._delivered_bytes += size
            if len(self._pieces) > MOST_PIECES:
                self._pieces = ["".join(self._pieces)]
            self._is_current = False
        self._extra += produced.extra_tokens
        if report.opening is not None:
            self._opening = report.opening
        elif report is not NO_USAGE:
            self._report = report if report.complete is None else report.complete(self._opening)
            self._is_current = True

    def take_back(self) -> None:
        """Forget the output that was added last: it is not delivered."""
        if self._last.text:
            window = "".join(self._pieces).removesuffix(self._last.text)
            self._pieces = [window] if window else []
            self._window_tokens, self._unsure_bytes = 0, _utf8_length(window)
            self._delivered_bytes -= _utf8_length(self._last.text)
        self._extra -= self._last.extra_tokens
        self._last = _NOTHING

    def covered(self) -> bool:
        """Whether the hold pays for everything that was added, as far as the call is one that grows."""
        if self._always_covered:
            return True
        fixed = self._counted + self._extra
        if fixed + self._window_tokens + self._unsure_bytes + self._deferred_bytes <= self._paid_tokens:
            return True
        if self.output_tokens() <= self._paid_tokens:
            return True
        # A report that is older than the output says nothing about it.
        usage = self._believable()[0] if self._is_current else None
        return usage is not None and cost_nanos(self._priced.price, usage) <= self._held_nanos

    def next_slice(self) -> Slice:
        """What to ask for so that everything that was added is paid for, and some more."""
        quote = self._quote
        used = self.output_tokens()
        least = min(quote.output_ceiling, max(used, self._paid_tokens + 1) + LEAST_STEP_TOKENS)
        most = min(quote.output_ceiling, max(used, self._paid_tokens) + quote.default_output_tokens)
        minimum = quote.nanos_for(least)
        return Slice(minimum, max(minimum, quote.nanos_for(most)))

    def output_tokens(self) -> int:
        """The tokens of the visible output, as counted here."""
        window = self._count_window()
        return self._counted + self._extra + window

    def _count_window(self) -> int:
        self._read_deferred()
        if self._unsure_bytes:
            text = "".join(self._pieces)
            self._window_tokens = count_tokens(text, self._priced.facts.family)
            self._unsure_bytes = 0
            self._pieces = [text]
            # The last piece stays in the window, for it may be taken back.
            if len(text) > WINDOW_BYTES and len(self._last.text) < len(text):
                closed = text.removesuffix(self._last.text)
                self._counted += count_tokens(closed, self._priced.facts.family)
                self._pieces = [self._last.text] if self._last.text else []
                self._window_tokens = count_tokens(self._last.text, self._priced.facts.family)
        return self._window_tokens

    # --- at its end --------------------------------------------------------------------------------------------------

    def used_nanos(self, input_bound: RequestBound) -> int:
        """What was used up to now by our own count: recorded with each extension, should this worker die."""
        return min(self._held_nanos, cost_nanos(self._priced.price, self._estimated(input_bound)))

    def needs_estimate(self, ending: Ending) -> bool:
        """Whether `charge` will have to count for itself; then it wants exact bounds of the input, and may be slow."""
        if self._request.free:
            return False
        return ending is Ending.STOPPED or self._believable()[0] is None

    def needs_counting(self, ending: Ending) -> bool:
        """Whether the provider's count is so small that `charge` will count for itself, which may be slow."""
        usage = None if self._request.free or ending is Ending.STOPPED else self._believable()[0]
        if usage is None:
            return False
        events = sum(block.count(b"\n\n") for block in self._deferred)
        most = usage.output_tokens + SOME_TOKENS
        unread = max(0, self._deferred_bytes - ENVELOPE_BYTES * events)
        return self._delivered_bytes + unread > MOST_BYTES_PER_TOKEN * most or events > 2 * most

    def charge(self, ending: Ending, input_bound: RequestBound | None = None) -> Charge:
        """What to settle at. `input_bound` is needed where `needs_estimate` says so."""
        if self._request.free:
            return Charge(0, CostSource.DRAINED if ending is Ending.DRAINED else CostSource.PROVIDER_USAGE, Usage())
        usage, doubt = self._believable()
        if usage is not None and ending is not Ending.STOPPED:
            source = CostSource.DRAINED if ending is Ending.DRAINED else CostSource.PROVIDER_USAGE
            charge = Charge(cost_nanos(self._priced.price, usage), source, usage)
            if self.needs_counting(ending) and (doubt := self._understated(usage)):
                return charge._replace(alert=doubt, event="usage_understated")
            return charge
        if input_bound is None:
            raise ValueError("an estimate needs the bounds of the input")
        estimated = self._estimated(input_bound)
        # An answer that was cut off has no usage to report; one that is whole should.
        alert = doubt if self.has_usage or ending in (Ending.COMPLETE, Ending.DRAINED) else None
        nanos = min(self._held_nanos, cost_nanos(self._priced.price, estimated))
        return Charge(nanos, CostSource.ESTIMATED, estimated, None if ending is Ending.STOPPED else alert)

    def _understated(self, usage: Usage) -> str:
        """Why the provider's usage is implausibly low, although it is what is charged; empty where it is not.

        By our own count of visible text alone: half of it by the model's own tokenizer, or a third by another one.
        """
        family = self._priced.facts.family
        counted = int((self._counted + self._count_window()) / family.margin)
        share = 2 if family.margin == EXACT else 3
        if counted <= share * usage.output_tokens + SOME_TOKENS:
            return ""
        return f"usage is low: {usage.output_tokens} output tokens, but about {counted} were delivered"

    def _estimated(self, bound: RequestBound) -> Usage:
        opening = self._opening
        if opening is not None and 0 < opening.input_tokens <= bound.input_tokens:
            # What the provider says of the input is better than its bound.
            return self._completed(replace(opening, output_tokens=self.output_tokens(), reasoning_tokens=0))
        usage = Usage(
            input_tokens=bound.input_tokens,
            input_audio_tokens=bound.audio_tokens,
            input_image_tokens=bound.image_tokens,
            output_tokens=self.output_tokens(),
        )
        return self._completed(usage)

    def _completed(self, usage: Usage) -> Usage:
        """With what the provider charges but does not report."""
        always = self._request.always_used
        return replace(usage, **always) if always else usage

    def _believable(self) -> tuple[Usage | None, str]:
        """The provider's usage, or why there is none that can be believed."""
        report: UsageReport = self._report
        usage = report.usage
        if usage is None:
            return None, f"usage is absurd: {report.absurd}" if report.absurd else "usage is missing"
        facts = self._priced.facts
        choices, rounds = self._request.choices, self._request.rounds
        if usage.output_tokens == 0 and self.produced_anything and self._quote.output_ceiling > 0:
            return None, "usage is absurd: no output tokens, but text was delivered"
        if usage.input_tokens == 0:
            return None, "usage is absurd: no input tokens"
        if usage.input_tokens > (facts.context_bound_tokens or MOST_TOKENS) * rounds:
            return None, f"usage is absurd: {usage.input_tokens} input tokens are more than the model takes in"
        if usage.output_tokens > (facts.max_output_tokens or MOST_TOKENS) * choices:
            return None, f"usage is absurd: {usage.output_tokens} output tokens are more than the model can produce"
        return self._completed(usage), ""


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
