"""Traces: what arrives at a collector over the wire, and what a collector that is away costs."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from bursar.foundation import tracing
from bursar.foundation.tracing import Tracing, TracingError, is_wanted
from bursar.gateway.wiring import CallRecord
from bursar.pricing.model import Usage

REQUEST_ID = UUID("0198c0de-0000-7000-8000-000000000001")
MANDATE_ID = UUID("7f1d7c1e-0000-4000-8000-000000000002")


class Collector:
    """An OTLP/HTTP receiver on a free port of this machine."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.headers.append(
                    {name.lower(): value for name, value in self.headers.items()} | {"": self.path}
                )
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    yield collector
    collector.close()


def record(**differences: Any) -> CallRecord:
    facts: dict[str, Any] = {
        "request_id": REQUEST_ID,
        "dialect": "chat_completions",
        "model": "demo-1",
        "upstream": "demo",
        "status": 200,
        "streamed": True,
        "outcome": "complete",
        "own_seconds": 0.0015,
        "total_seconds": 2.5,
        "mandate_id": MANDATE_ID,
        "usage": Usage(input_tokens=1200, cached_input_tokens=1000, output_tokens=80, reasoning_tokens=30),
    }
    return CallRecord(**(facts | differences))


async def export(*records: CallRecord) -> Tracing:
    traces = Tracing()
    traces.start()
    for each in records:
        traces.on_finished(each)
    await traces.stop()
    return traces


def values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


async def test_a_call_is_a_span_of_the_genai_conventions(collector: Collector) -> None:
    before = time.time_ns()
    traces = await export(record())
    (span,) = collector.spans
    assert span.name == "chat demo-1"
    assert span.kind == Span.SPAN_KIND_CLIENT
    assert span.status.code != Status.STATUS_CODE_ERROR
    assert span.end_time_unix_nano - span.start_time_unix_nano == 2_500_000_000
    assert before <= span.end_time_unix_nano <= time.time_ns()
    assert values(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "demo-1",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 80,
        "gen_ai.usage.cache_read.input_tokens": 1000,
        "gen_ai.usage.reasoning.output_tokens": 30,
        "http.response.status_code": 200,
        "bursar.request_id": str(REQUEST_ID),
        "bursar.mandate_id": str(MANDATE_ID),
        "bursar.upstream": "demo",
        "bursar.dialect": "chat_completions",
        "bursar.outcome": "complete",
        "bursar.overhead_seconds": 0.0015,
    }
    resource = values(collector.requests[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "bursar"
    assert collector.headers[0][""] == "/v1/traces"
    assert collector.headers[0]["content-type"] == "application/x-protobuf"
    assert traces.outcomes == {"sent": 1, "failed": 0, "dropped": 0}


async def test_names_and_providers_follow_the_dialect(collector: Collector) -> None:
    dialects = ("responses", "embeddings", "messages", "count_tokens", "one_to_come")
    await export(*(record(dialect=dialect, usage=None) for dialect in dialects))
    told = [(span.name, values(span.attributes).get("gen_ai.provider.name")) for span in collector.spans]
    assert told == [
        ("chat demo-1", "openai"),
        ("embeddings demo-1", "openai"),
        ("chat demo-1", "anthropic"),
        ("count_tokens demo-1", "anthropic"),
        ("one_to_come demo-1", None),
    ]
    assert not any(name.startswith("gen_ai.usage") for span in collector.spans for name in values(span.attributes))


async def test_a_refusal_is_an_error_of_its_reason(collector: Collector) -> None:
    await export(
        record(model=None, upstream=None, mandate_id=None, usage=None, status=402, outcome="BALANCE_EXHAUSTED"),
        record(outcome="stopped"),
        record(outcome="drained"),
    )
    refused, stopped, drained = collector.spans
    assert refused.name == "chat"
    assert values(refused.attributes)["error.type"] == "BALANCE_EXHAUSTED"
    assert values(refused.attributes)["http.response.status_code"] == 402
    assert (refused.status.code, refused.status.message) == (Status.STATUS_CODE_ERROR, "BALANCE_EXHAUSTED")
    assert stopped.status.code == Status.STATUS_CODE_ERROR
    assert drained.status.code != Status.STATUS_CODE_ERROR
    assert "error.type" not in values(drained.attributes)


async def test_a_span_joins_its_callers_trace(collector: Collector) -> None:
    trace_id, parent_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    await export(
        record(trace_parent=f"00-{trace_id}-{parent_id}-01"),
        record(trace_parent=f"00-{trace_id}-{parent_id}-00"),
        record(trace_parent="00-nonsense\r\n"),
    )
    joined, unreadable = collector.spans  # the second one's caller does not want it recorded
    assert (joined.trace_id.hex(), joined.parent_span_id.hex()) == (trace_id, parent_id)
    assert unreadable.trace_id.hex() != trace_id
    assert not unreadable.parent_span_id


async def test_many_calls_arrive_in_batches_while_it_runs(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "EVERY_SECONDS", 0.01)
    traces = Tracing()
    traces.start()
    for _ in range(600):
        traces.on_finished(record())
    async with asyncio.timeout(20):
        while len(collector.spans) < 600:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await traces.stop()
    assert len({span.span_id for span in collector.spans}) == 600
    assert len(collector.requests) < 60
    assert traces.outcomes["sent"] == 600


async def test_a_full_queue_drops_spans_and_says_so(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MOST_QUEUED", 5)
    traces = Tracing()
    for _ in range(8):
        traces.on_finished(record())
    traces.start()
    await traces.stop()
    assert len(collector.spans) == 5
    assert traces.outcomes == {"sent": 5, "failed": 0, "dropped": 3}


async def test_a_collector_that_refuses_costs_its_spans_only(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = Collector(status=400)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{refusing.url}/v1/traces")
    traces = await export(record(), record())
    refusing.close()
    assert traces.outcomes == {"sent": 0, "failed": 2, "dropped": 0}


async def test_what_cannot_be_made_into_a_span_costs_only_itself(collector: Collector) -> None:
    traces = await export(record(total_seconds=None), record())
    assert len(collector.spans) == 1
    assert traces.outcomes == {"sent": 1, "failed": 1, "dropped": 0}


@pytest.mark.parametrize(
    ("setting", "environ", "wanted"),
    [
        (False, {}, False),
        (True, {}, True),
        (False, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        (False, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        (False, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        (True, {"OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_when_traces_are_wanted(setting: bool, environ: dict[str, str], wanted: bool) -> None:
    assert is_wanted(setting, environ) is wanted


def test_without_the_extra_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TracingError, match=r"pip install 'bursar\[otel\]'"):
        Tracing()


def test_nothing_of_opentelemetry_is_loaded_before_it_is_wanted() -> None:
    code = "import sys, bursar.foundation.tracing; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
