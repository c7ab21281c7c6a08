"""Embeddings: input of every form is bounded, and nothing else is paid."""

from __future__ import annotations

import json
import typing
from typing import Any

import openai
import pytest
from openai.types import EmbeddingCreateParams

from bursar.gateway.dialects.embeddings import EMBEDDINGS, FIELDS
from bursar.gateway.dialects.seam import CallRequest, Edits, FaultKind, GatewayFault
from bursar.gateway.meter import Ending, Meter
from bursar.ledger.model import CostSource
from bursar.pricing.quote import RequestBound, output_limit_to_write, quote
from tests.gateway.dialects.answering import Answering, answering, json_of
from tests.gateway.dialects.transcripts import PLENTY_NANOS, check, load, names, real_refusal
from tests.pricing.samples import priced

NOBODY: frozenset[str] = frozenset()
SMALL = "openai:text-embedding-3-small"


def read(given: Any, **members: Any) -> CallRequest:
    body = {"model": "text-embedding-3-small", "input": given, **members}
    return EMBEDDINGS.read_request(json.dumps(body).encode(), NOBODY)


def bound(given: Any, *, exact: bool = False) -> RequestBound:
    return read(given).bounds(priced(SMALL).facts, exact=exact)


def test_the_table_is_the_official_clients() -> None:
    assert FIELDS.keys() == typing.get_type_hints(EmbeddingCreateParams).keys()


@pytest.mark.parametrize("name", names("embeddings"))
def test_transcript(name: str) -> None:
    check(EMBEDDINGS, load("embeddings", name))


def test_there_are_transcripts() -> None:
    assert set(names("embeddings")) >= {"text", "texts", "tokens"}


def test_text_is_bounded_by_bytes_then_by_a_tokenizer() -> None:
    text = "All the king's horses and all the king's men. " * 20
    for given in (text, [text]):
        cheap, exact = (bound(given, exact=exact).text_tokens for exact in (False, True))
        assert 200 < exact < len(text) / 3 < len(text) < cheap < len(text) + 50


@pytest.mark.parametrize(
    ("given", "least", "most", "rounds"),
    [
        ([1, 2, 3, 4], 4, 30, 1),
        ([[1, 2], [3, 4, 5]], 5, 30, 2),
        (["ab", "cd"], 4, 50, 2),
        ([], 0, 40, 1),
        ("x" * 100_000, 9_011, 9_012, 1),
        (["x" * 100_000, "x" * 100_000], 18_022, 18_024, 2),
    ],
)
def test_every_form_of_input_has_its_bound(given: Any, least: int, most: int, rounds: int) -> None:
    found = bound(given)
    assert least <= found.text_tokens <= most
    assert (found.output_limit, read(given).rounds) == (0, rounds)
    assert found.text_tokens >= bound(given, exact=True).text_tokens


def test_there_is_no_output_to_hold_or_to_clamp() -> None:
    wanted = quote(priced(SMALL), bound("hello"))
    assert wanted.minimum_nanos == wanted.desired_nanos == wanted.input_bound_nanos > 0
    assert output_limit_to_write(wanted, wanted.minimum_nanos) is None
    assert not wanted.growing


@pytest.mark.parametrize("given", [1, {}, None, ["a", 1], [["a"]], [[1], "a"], [1.5], [True], [{}], [None]])
def test_an_input_that_makes_no_sense(given: Any) -> None:
    with pytest.raises(GatewayFault) as caught:
        read(given)
    assert caught.value.kind is FaultKind.INVALID_REQUEST


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"model":"m"}', b'{"input":"x"}'])
def test_a_body_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(GatewayFault) as caught:
        EMBEDDINGS.read_request(body, NOBODY)
    assert caught.value.kind is FaultKind.INVALID_REQUEST


def test_what_the_table_does_not_know_is_refused_unless_an_operator_lets_it_pass() -> None:
    with pytest.raises(GatewayFault, match="BURSAR_UNPRICED_FIELDS") as caught:
        read("x", input_type="query")
    assert (caught.value.kind, caught.value.field) == (FaultKind.FEATURE_NOT_PRICED, "input_type")
    body = b'{"model":"m","input":"x","input_type":"query"}'
    assert EMBEDDINGS.read_request(body, frozenset({"input_type"})).model == "m"


def test_only_the_models_name_is_ever_changed() -> None:
    body = b'{"model":"text-embedding-3-small","input":["caf\\u00e9"],"dimensions":1e2}'
    request = EMBEDDINGS.read_request(body, NOBODY)
    assert EMBEDDINGS.write_request(body, request, Edits(output_limit=5, ask_usage=True)) is body
    written = EMBEDDINGS.write_request(body, request, Edits(model="deployment"))
    assert written == body.replace(b"text-embedding-3-small", b"deployment")


@pytest.mark.parametrize(
    ("given", "tokens", "source"),
    [
        ("hello", 1, CostSource.PROVIDER_USAGE),
        ("hello", 50_000, CostSource.ESTIMATED),
        (["hello"] * 10, 50_000, CostSource.PROVIDER_USAGE),
        ("hello", 0, CostSource.ESTIMATED),
        ("hello", -1, CostSource.ESTIMATED),
    ],
)
def test_a_usage_is_believed_up_to_a_window_for_each_input(given: Any, tokens: int, source: CostSource) -> None:
    request, price = read(given), priced(SMALL)
    running = Meter(request, price, quote(price, request.bounds(price.facts, exact=False)), PLENTY_NANOS)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    running.add(EMBEDDINGS.read_body(json.dumps({"data": [{"embedding": [0.1, -2e-3]}], "usage": usage}).encode()))
    charge = running.charge(Ending.COMPLETE, request.bounds(price.facts, exact=True))
    assert charge.cost_source is source
    assert (charge.alert is None) is (source is CostSource.PROVIDER_USAGE)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data":[]}', b'{"usage":null}'])
def test_a_body_without_a_usage_is_estimated(body: bytes) -> None:
    reading = EMBEDDINGS.read_body(body)
    assert (reading.report.usage, reading.report.absurd, reading.produced.text) == (None, None, "")


def test_an_error_is_seen() -> None:
    assert EMBEDDINGS.read_body(b'{"error":{"message":"x"}}').is_error


# --- the official client ---------------------------------------------------------------------------------------------


def client(server: Answering) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="bur_x", max_retries=2)


async def test_the_official_client_embeds_and_raises() -> None:
    call: dict[str, Any] = {"model": "text-embedding-3-small", "input": ["hello"]}
    async with answering(json_of(load("embeddings", "texts").upstream)) as server, client(server) as gpt:
        answer = await gpt.embeddings.create(**call, encoding_format="float")
        assert (answer.data[0].embedding, answer.usage.prompt_tokens) == ([0.25, -0.5], 4)
        assert server.requests == [EMBEDDINGS.route]
    async with answering(EMBEDDINGS.refusal(real_refusal())) as server, client(server) as gpt:
        with pytest.raises(openai.APIStatusError) as caught:
            await gpt.embeddings.create(**call)
        assert (caught.value.status_code, caught.value.code, len(server.requests)) == (402, "insufficient_quota", 1)
