"""`bursar replay`: the sum of the transfers is the trace's price to the nano, and a small pool is never overspent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from bursar.cli.replay.asking import ASKINGS, error_of
from bursar.cli.replay.running import replay
from bursar.cli.replay.trace import TraceError, read_trace
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import connect_database
from bursar.foundation.settings import load_settings
from bursar.ledger.verify import verify
from tests.support.serving import SECRET_KEY, bursar

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
CALLS = 60


def trace(directory: Path) -> Path:
    rows = [f"2023-11-16 18:17:{n % 60:02d}.{n:02d}99600,{100 + 37 * n},{1 + n % 50}" for n in range(CALLS)]
    path = directory / "trace.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


@pytest.fixture
def environ(tmp_path: Path, database_addresses: DatabaseAddresses) -> dict[str, str]:
    return {
        "BURSAR_DATABASE_URL": database_addresses.owner.dsn,
        "BURSAR_SECRET_KEY": SECRET_KEY,
        "BURSAR_DATA_DIR": str(tmp_path / "data"),
    }


def expected_cost() -> Decimal:
    """gpt-5-mini at 0.25 and 2.00 dollars a million, each call rounded up to the nano by itself."""
    return sum((Decimal(100 + 37 * n) * 250 + Decimal(1 + n % 50) * 2000 for n in range(CALLS)), Decimal()) / 10**9


def test_a_large_pool_pays_exactly_what_pricing_says(tmp_path: Path, environ: dict[str, str]) -> None:
    out = bursar(
        "replay", str(trace(tmp_path)), "--model", "gpt-5-mini", "--pool", "5.00", "--speed", "0", "--json",
        environ=environ,
    )  # fmt: skip
    report = orjson.loads(out)
    assert list(report) == [
        "calls", "completed", "cost", "currency", "expectedCost", "refusals", "moneyEndedAt", "notices",
        "callsPerSecond", "gatewayMillis",
    ]  # fmt: skip
    assert report["calls"] == report["completed"] == CALLS
    assert report["cost"] == report["expectedCost"] == f"{expected_cost():.9f}"
    assert (report["refusals"], report["moneyEndedAt"], report["notices"]) == ({}, None, 0)
    assert "every invariant holds" in bursar("verify", environ=environ)


DIALECTS = {
    # what --dialect says    a model       nanos for an input token, and for one of output
    "responses": ("gpt-5-mini", 250, 2_000),
    "messages": ("claude-haiku-4-5", 1_000, 5_000),
    "embeddings": ("text-embedding-3-small", 20, 0),
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_dialect_pays_what_pricing_says_and_is_stopped_when_the_money_ends(
    tmp_path: Path, environ: dict[str, str], database_addresses: DatabaseAddresses, dialect: str
) -> None:
    model, of_input, of_output = DIALECTS[dialect]
    whole_nanos = sum((100 + 37 * n) * of_input + (1 + n % 50) * of_output for n in range(CALLS))
    settings = load_settings(environ)
    for pool_nanos, is_enough in ((whole_nanos * 100, True), (whole_nanos // 3, False)):
        report = await replay(settings, trace(tmp_path), model, pool_nanos, 0, dialect=dialect, show_progress=False)
        tally = report.tally
        assert tally.calls == CALLS
        assert not tally.faults
        assert report.cost_nanos == tally.expected_nanos
        assert (tally.completed == CALLS) is is_enough
        if is_enough:
            assert report.cost_nanos == whole_nanos
        else:
            assert 0 < report.cost_nanos <= pool_nanos
            assert sum(tally.refusals.values()) == CALLS - tally.completed
    async with connect_database(database_addresses) as database:
        assert await verify(database.ledger_pool) == []


def test_a_refusal_is_read_from_the_stream_of_every_dialect() -> None:
    streams = {
        "chat_completions": b'data: {"choices":[],"error":{"code":"x"}}\n\ndata: [DONE]\n\n',
        "responses": b'event: response.failed\ndata: {"type":"response.failed","response":{"error":{"code":"x"}}}\n\n',
        "messages": b'event: error\ndata: {"type":"error","error":{"code":"x"}}\n\n',
    }
    for name, stream in streams.items():
        assert error_of(ASKINGS[name], stream) == {"code": "x"}
        assert error_of(ASKINGS[name], b'data: {"error":null,"response":{"error":null}}\n\n') is None


def test_a_small_pool_is_spent_and_never_overspent(tmp_path: Path, environ: dict[str, str]) -> None:
    out = bursar(
        "replay", str(trace(tmp_path)), "--model", "gpt-5-mini", "--pool", "0.01", "--speed", "60", "--json",
        environ=environ,
    )  # fmt: skip
    report = orjson.loads(out)
    assert report["calls"] == CALLS
    assert 0 < report["completed"] < CALLS
    assert report["refusals"]["BALANCE_EXHAUSTED"] > 0
    assert report["cost"] == report["expectedCost"]
    assert Decimal(report["cost"]) <= Decimal("0.01")
    assert report["moneyEndedAt"].startswith("2023-11-16T18:17:")
    assert report["notices"] == 1
    assert "every invariant holds" in bursar("verify", environ=environ)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"{HEADER}\n", "no calls"),
        ("TIMESTAMP,ContextTokens\n", "GeneratedTokens"),
        (f"{HEADER}\n2023-11-16 18:17:03.9799600,many,10\n", "line 2"),
        (f"{HEADER}\n2023-11-16 18:17:03.9799600,-1,10\n", "line 2"),
    ],
)
def test_a_bad_trace_is_refused_with_its_line(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=named):
        read_trace(path)


def test_a_trace_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(f"{HEADER}\n2023-11-16 18:17:05.9799600,2,20\n2023-11-16 18:17:03.4799600,1,10\n")
    first, second = read_trace(path)
    assert (first.input_tokens, first.output_tokens, first.after_seconds) == (1, 10, 0.0)
    assert (second.input_tokens, second.after_seconds) == (2, 2.5)


MISTAKES = {
    "a file that is not there": ([], "missing.csv"),
    "a dialect that is none": (
        ["--dialect", "morse"],
        "--dialect must be one of chat_completions, responses, messages, embeddings",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(environ: dict[str, str], name: str) -> None:
    more, said = MISTAKES[name]
    given = ["missing.csv", "--model", "gpt-5-mini", "--pool", "1.00", *more]
    out = bursar("replay", *given, environ=environ, status=2)
    assert out.startswith("bursar: ")
    assert out.count("\n") == 1
    assert said in out
