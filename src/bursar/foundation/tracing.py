"""OpenTelemetry traces, one span for each call, after the GenAI semantic conventions. Nothing of prompts or answers.

Off the hot path: a call that has ended is put into a bounded queue; a thread of its own makes spans of what is there
and sends them over OTLP/HTTP. A collector that is slow or away costs spans, never a call. Needs the extra
`bursar[otel]`; where to and how often is said by OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`, …).

Conventions: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

import structlog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

log = structlog.get_logger(__name__)

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
MOST_QUEUED: Final = 8_192
BATCH_SPANS: Final = 256
AT_ONCE: Final = 8
"""Spans that are made before the event loop gets its turn: half a millisecond."""
EVERY_SECONDS: Final = 1.0

WELL: Final = frozenset({"complete", "drained"})
"""Outcomes that are no error."""
_OPERATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "chat_completions": ("chat", "openai"),
    "responses": ("chat", "openai"),
    "embeddings": ("embeddings", "openai"),
    "messages": ("chat", "anthropic"),
    "count_tokens": ("count_tokens", "anthropic"),
}
"""By dialect: `gen_ai.operation.name`, and the API that is spoken, as `gen_ai.provider.name`."""


class TracingError(ValueError):
    """Traces that cannot be made; the message is one line for the operator."""


class UsedTokens(Protocol):
    """What of a call's usage is told (`pricing.model.Usage`)."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def cached_input_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...


class TracedCall(Protocol):
    """What of a call is told (`gateway.wiring.CallRecord`)."""

    @property
    def request_id(self) -> UUID: ...
    @property
    def mandate_id(self) -> UUID | None: ...
    @property
    def dialect(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    @property
    def upstream(self) -> str | None: ...
    @property
    def status(self) -> int: ...
    @property
    def streamed(self) -> bool: ...
    @property
    def outcome(self) -> str: ...
    @property
    def own_seconds(self) -> float: ...
    @property
    def total_seconds(self) -> float: ...
    @property
    def usage(self) -> UsedTokens | None: ...
    @property
    def trace_parent(self) -> str | None: ...


def is_wanted(traces: bool, environ: Mapping[str, str]) -> bool:
    """Whether the setting, or OpenTelemetry's own variables, ask for traces."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return traces or any(environ.get(name, "").strip() for name in ENDPOINTS)


class Tracing:
    """`start`, then `on_finished` for each call, then `stop`, which sends what is left."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """`exporter` is the OTLP one unless a test brings its own. Raises `TracingError` without `bursar[otel]`."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise TracingError(f"traces are wanted, but {error.name} is missing: pip install 'bursar[otel]'") from error
        resource = Resource.create(
            {
                "service.name": os.environ.get("OTEL_SERVICE_NAME", "bursar"),
                "service.version": _own_version(),
                "service.instance.id": str(os.getpid()),
            }
        )
        self._spans: list[ReadableSpan] = []
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(_collecting(self._spans))
        self._tracer = provider.get_tracer("bursar", _own_version())
        self._propagator = TraceContextTextMapPropagator()
        self._exporter: SpanExporter = exporter if exporter is not None else OTLPSpanExporter()
        self._queue: deque[tuple[int, TracedCall]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.outcomes = Counter({"sent": 0, "failed": 0, "dropped": 0})
        """Spans by what became of them: `sent`, `failed`, `dropped`."""

    def on_finished(self, record: TracedCall) -> None:
        """Remember a call for later. Well below a microsecond."""
        if len(self._queue) < MOST_QUEUED:
            self._queue.append((time.time_ns(), record))
        else:
            self.outcomes["dropped"] += 1

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    async def stop(self, timeout_seconds: float = 5.0) -> None:
        """Send what is left, as far as that works in time."""
        self._stopping = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.join, timeout_seconds)
        await asyncio.to_thread(self._exporter.shutdown)

    def _run(self) -> None:
        while True:
            self._wake.wait(EVERY_SECONDS)
            while self._queue:
                self._send(self._batch())
            if self._stopping:
                return

    def _batch(self) -> list[ReadableSpan]:
        """Spans of what has waited longest."""
        for made in range(BATCH_SPANS):
            if not self._queue:
                break
            if made % AT_ONCE == AT_ONCE - 1:
                time.sleep(0.001)
            try:
                self._make(*self._queue.popleft())
            except Exception as error:
                self.outcomes["failed"] += 1
                log.warning("span_not_made", error=repr(error))
        spans = list(self._spans)
        self._spans.clear()
        return spans

    def _make(self, ended_at_ns: int, record: TracedCall) -> None:
        from opentelemetry.trace import SpanKind, StatusCode

        operation, _ = _OPERATIONS.get(record.dialect, (record.dialect, ""))
        parent = None
        if record.trace_parent:
            parent = self._propagator.extract({"traceparent": record.trace_parent})
        span = self._tracer.start_span(
            f"{operation} {record.model}" if record.model else operation,
            context=parent,
            kind=SpanKind.CLIENT,
            start_time=ended_at_ns - int(record.total_seconds * 1e9),
            attributes=attributes(record),
        )
        if record.outcome not in WELL:
            span.set_status(StatusCode.ERROR, record.outcome)
        span.end(ended_at_ns)

    def _send(self, spans: list[ReadableSpan]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        if not spans:
            return
        try:
            sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as error:
            log.warning("spans_not_sent", error=repr(error))
            sent = False
        self.outcomes["sent" if sent else "failed"] += len(spans)


def attributes(record: TracedCall) -> dict[str, str | int | float | bool]:
    """The span's attributes. Names that begin with `bursar.` are ours, the others are OpenTelemetry's."""
    operation, provider = _OPERATIONS.get(record.dialect, (record.dialect, ""))
    found: dict[str, Any] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider or None,
        "gen_ai.request.model": record.model,
        "gen_ai.request.stream": record.streamed,
        "http.response.status_code": record.status or None,
        "error.type": None if record.outcome in WELL else record.outcome,
        "bursar.request_id": str(record.request_id),
        "bursar.mandate_id": str(record.mandate_id) if record.mandate_id is not None else None,
        "bursar.upstream": record.upstream,
        "bursar.dialect": record.dialect,
        "bursar.outcome": record.outcome,
        "bursar.overhead_seconds": record.own_seconds,
    }
    usage = record.usage
    if usage is not None:
        found |= {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens or None,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens or None,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens or None,
        }
    return {name: value for name, value in found.items() if value is not None}


def _collecting(spans: list[ReadableSpan]) -> Any:
    """A processor that keeps what has ended; which spans there are at all is the sampler's affair."""
    from opentelemetry.sdk.trace import SpanProcessor

    class Collecting(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            context = span.get_span_context()
            if context is not None and context.trace_flags.sampled:
                spans.append(span)

    return Collecting()


def _own_version() -> str:
    try:
        return version("bursar")
    except PackageNotFoundError:
        return "unknown"
