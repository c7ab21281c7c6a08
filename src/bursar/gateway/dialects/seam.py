"""What a dialect is: a table of pure functions between an API's bytes and what the gateway needs to know. Pure.

A new dialect is one new file that ends with a `Dialect(...)`, its tests, and golden transcripts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from bursar.billing.problem import HttpRefusal
from bursar.gateway.dialects.members import Members
from bursar.gateway.sse import SseEvent
from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.model import Usage
from bursar.pricing.quote import RequestBound

Header = tuple[bytes, bytes]
JSON_TYPE: Final[Header] = (b"content-type", b"application/json")
UNPRICED_FIELDS_SETTING: Final = "BURSAR_UNPRICED_FIELDS"
"""The setting by which an operator lets a field pass that has no bound."""


# --- faults ----------------------------------------------------------------------------------------------------------


class FaultKind(Enum):
    """Everything that is answered instead of a call, except a shortage of money: (status, code)."""

    UNKNOWN_KEY = (401, "invalid_api_key")
    FORBIDDEN = (403, "forbidden")
    UNKNOWN_ROUTE = (404, "not_found")
    UNKNOWN_MODEL = (404, "model_not_found")
    UNKNOWN_USER = (404, "user_not_found")
    WRONG_METHOD = (405, "method_not_allowed")
    INVALID_REQUEST = (400, "invalid_request")
    MODEL_NOT_PRICED = (400, "model_not_priced")
    FEATURE_NOT_PRICED = (400, "feature_not_priced")
    BODY_TOO_LARGE = (413, "request_too_large")
    RATE_LIMITED = (429, "rate_limit_exceeded")
    UPSTREAM_ERROR = (502, "upstream_error")
    INTERNAL = (500, "internal_error")
    LEDGER_UNAVAILABLE = (503, "ledger_unavailable")
    UPSTREAM_UNAVAILABLE = (503, "upstream_unavailable")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def code(self) -> str:
        return self.value[1]


class GatewayFault(Exception):
    """A call that is answered with an error. `field` names the part of the request that is at fault, if one is.

    `retry_after_seconds` becomes `Retry-After`; `retry` `False` tells official clients not to try again by themselves;
    `status` replaces the kind's own, for an upstream's error that has to be put into the dialect's shape.
    """

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        *,
        field: str | None = None,
        retry_after_seconds: int | None = None,
        retry: bool | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.field = field
        self.retry_after_seconds = retry_after_seconds
        self.retry = retry
        self.status = kind.status if status is None else status


def feature_not_priced(name: str, why: str = "this gateway cannot say beforehand what it may cost") -> GatewayFault:
    """The refusal of a field that has no bound, naming the setting that lets it pass (only for top-level fields)."""
    way_out = "" if "." in name or "[" in name else f"; an operator can let it pass with {UNPRICED_FIELDS_SETTING}"
    return GatewayFault(FaultKind.FEATURE_NOT_PRICED, f"'{name}' is not accepted: {why}{way_out}.", field=name)


def invalid(name: str | None, message: str) -> GatewayFault:
    """A request that makes no sense."""
    return GatewayFault(FaultKind.INVALID_REQUEST, message, field=name)


class ErrorAnswer(NamedTuple):
    """A whole HTTP answer in a dialect's shape."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


# --- requests --------------------------------------------------------------------------------------------------------


class Bounds(Protocol):
    def __call__(self, facts: ModelFacts, *, exact: bool) -> RequestBound:
        """The bounds of a request for a model. `exact` counts text with a tokenizer, which is slow: not on an event
        loop. Raises `GatewayFault` where something has no bound on this model."""
        ...


class CallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as its dialect has read it."""

    model: str
    stream: bool
    members: Members
    bounds: Bounds
    usage_asked: bool = False
    """Whether the client itself asked for usage in the stream; if not, what only carries usage is hidden from it."""
    output_limit: int | None = None
    choices: int = 1
    always_used: Mapping[str, int] = {}
    """Counts of `Usage` that the provider charges without reporting them, such as `web_searches`."""
    rounds: int = 1
    """How often the model may take in its context within this call, each time billed: tools that the provider runs,
    several inputs in one request. No more than so many context windows of input can be believed."""
    free: bool = False
    """The provider makes it free (counting tokens): nothing is held and nothing charged, whatever it reports."""


class Edits(NamedTuple):
    """What has to change in a request before it goes upstream; `None` leaves it."""

    model: str | None = None
    output_limit: int | None = None
    ask_usage: bool = False


# --- answers ---------------------------------------------------------------------------------------------------------


class UsageReport(msgspec.Struct, frozen=True, gc=False):
    """What a provider says was used: a usage, or why its report cannot be believed."""

    usage: Usage | None = None
    absurd: str | None = None
    opening: Usage | None = None
    """What a stream says at its beginning, when the input is known and the output is not: no report of the call yet."""
    complete: Callable[[Usage | None], UsageReport] | None = None
    """A report that leaves out what the opening has said: what it is with that."""


NO_USAGE: Final = UsageReport()


class Produced(NamedTuple):
    """Output of a body or of one event, as far as it shows: what an estimate is made from."""

    text: str = ""
    extra_tokens: int = 0
    """Billed beside the text: what frames a tool call, for instance."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream, or a whole body."""

    produced: Produced = Produced()
    report: UsageReport = NO_USAGE
    only_usage: bool = False
    """The event is only there because usage was asked for."""
    is_error: bool = False
    """The upstream reports an error instead of an answer."""
    is_end: bool = False
    """The stream is complete with this event."""


NOTHING_READ: Final = Reading()


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """An upstream's error: whether it is a complaint about our account with it, and its code for the operator."""

    about_our_account: bool
    code: str
    in_shape: bool
    """Whether the body has the dialect's own shape, and so may be passed on as it is."""


# --- the table -------------------------------------------------------------------------------------------------------


class StopEvents(Protocol):
    def __call__(self, refusal: HttpRefusal, first_data: bytes, last_data: bytes = b"", /) -> bytes:
        """What ends a running stream for lack of money. `first_data` and `last_data` are the data of the stream's first
        event and of the last one that the client has."""
        ...


class FaultEvents(Protocol):
    def __call__(self, fault: GatewayFault, request_id: str, first_data: bytes, last_data: bytes = b"", /) -> bytes:
        """An error in a running stream (the upstream broke off); the data as for `StopEvents`."""
        ...


def never(block: bytes) -> int:
    """A dialect's `skim` that always wants every event read."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """An API, as far as the gateway must understand it."""

    name: str
    route: str
    """Where it is served here."""
    upstream_dialect: Literal["openai", "anthropic"]
    """Which upstreams speak it (`[[upstreams]] dialect`)."""
    upstream_path: str
    """Appended to an upstream's `base_url`."""
    request_headers: frozenset[bytes]
    """Headers of the client that go upstream, beside those of every dialect."""
    header_values: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)
    """Of these headers, which are lists with commas, only these values go upstream."""
    default_headers: Mapping[bytes, bytes] = field(default_factory=dict)
    """Of these headers, what goes upstream where the client sends none."""
    response_headers: frozenset[bytes]
    """Headers of the upstream that come back, beside those of every dialect."""
    identity_headers: tuple[bytes, ...] = (b"x-request-id",)
    """Where an answer carries the request's id."""

    read_request: Callable[[bytes, frozenset[str]], CallRequest]
    """Body, and fields that an operator lets pass. Raises `GatewayFault`."""
    write_request: Callable[[bytes, CallRequest, Edits], bytes]
    """The body to send upstream; the very same object where nothing has to change."""
    key_header: Callable[[str], Header]
    """How an upstream is told our key."""

    read_body: Callable[[bytes], Reading]
    read_event: Callable[[SseEvent], Reading]

    skim: Callable[[bytes], int] = never
    """How many bytes at the beginning of a piece of a stream are whole events that are surely nothing but output (no
    usage, no error, no end), so that they may be read later, or never. Their bytes are no fewer than the tokens of what
    they produce."""

    refusal: Callable[[HttpRefusal], ErrorAnswer]
    stop_events: StopEvents
    fault: Callable[[GatewayFault, str], ErrorAnswer]
    """Any other error; the second argument is the request id."""
    fault_events: FaultEvents
    read_error: Callable[[int, bytes], UpstreamError]
    """What an upstream's error answer (status, body) or error event (status 200, data) means."""


def headers_upstream(dialect: Dialect, given: Iterable[Header]) -> list[Header]:
    """What of a client's headers goes upstream in a dialect."""
    passed: list[Header] = []
    for name, value in given:
        if name not in dialect.request_headers:
            continue
        known = dialect.header_values.get(name)
        if known is not None:
            value = b",".join(each for part in value.split(b",") if (each := part.strip()) in known)
        if value:
            passed.append((name, value))
    if dialect.default_headers:
        given_names = {name for name, _ in passed}
        passed.extend(each for each in dialect.default_headers.items() if each[0] not in given_names)
    return passed
