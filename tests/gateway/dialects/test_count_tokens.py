"""Counting tokens: known fields pass, nothing is held, nothing is charged."""

from __future__ import annotations

import json
import typing
from typing import Any

import anthropic
import pytest
from anthropic.types import message_count_tokens_params as stable
from anthropic.types.beta import message_count_tokens_params as beta

from bursar.gateway.dialects.count_tokens import COUNT_TOKENS, FIELDS
from bursar.gateway.dialects.messages import WHY_NOT
from bursar.gateway.dialects.seam import Edits, FaultKind, GatewayFault
from bursar.gateway.meter import Ending, Meter
from bursar.ledger.model import CostSource
from bursar.pricing.quote import quote
from tests.gateway.dialects.answering import answering, json_of
from tests.gateway.dialects.transcripts import check, load, names, real_refusal
from tests.pricing.samples import priced

NOBODY: frozenset[str] = frozenset()
BODY = b'{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"' + b"long " * 9000 + b'"}]}'


def test_every_field_of_the_client_is_in_the_table() -> None:
    official = {*typing.get_type_hints(stable.MessageCountTokensParams)}
    official |= {*typing.get_type_hints(beta.MessageCountTokensParams)} - {"betas"}
    assert official - FIELDS.keys() == set()
    assert FIELDS.keys() - official == {"output_format"}
    assert {name for name, rule in FIELDS.items() if rule == "refused"} <= WHY_NOT.keys()


@pytest.mark.parametrize("name", names("count_tokens"))
def test_transcript(name: str) -> None:
    check(COUNT_TOKENS, load("count_tokens", name))


def test_it_has_a_hold_of_nothing_and_is_free_whatever_it_says() -> None:
    request = COUNT_TOKENS.read_request(BODY, NOBODY)
    price = priced("anthropic:claude-haiku-4-5")
    for exact in (False, True):
        wanted = quote(price, request.bounds(price.facts, exact=exact))
        assert (wanted.minimum_nanos, wanted.desired_nanos) == (0, 0)
    for body in (b'{"input_tokens":9000}', b"{}", b"<html>"):
        running = Meter(request, price, wanted, 0)
        running.add(COUNT_TOKENS.read_body(body))
        assert running.covered()
        for ending, source in ((Ending.COMPLETE, CostSource.PROVIDER_USAGE), (Ending.DRAINED, CostSource.DRAINED)):
            assert not running.needs_estimate(ending)
            charge = running.charge(ending)
            assert (charge.actual_nanos, charge.cost_source, charge.alert) == (0, source, None)


@pytest.mark.parametrize("name", ["brand_new", "mcp_servers", "workspace_id", "max_tokens"])
def test_what_the_table_does_not_know_is_refused(name: str) -> None:
    body = json.dumps({"model": "m", "messages": [], name: 1}).encode()
    with pytest.raises(GatewayFault, match="BURSAR_UNPRICED_FIELDS") as caught:
        COUNT_TOKENS.read_request(body, NOBODY)
    assert (caught.value.kind, caught.value.field) == (FaultKind.FEATURE_NOT_PRICED, name)
    assert COUNT_TOKENS.read_request(body, frozenset({name})).free


def test_tools_that_are_refused_elsewhere_may_be_counted() -> None:
    tools = [{"type": "code_execution_20250825", "name": "code_execution"}]
    assert COUNT_TOKENS.read_request(json.dumps({"model": "m", "messages": [], "tools": tools}).encode(), NOBODY).free


def test_only_the_models_name_is_ever_changed() -> None:
    request = COUNT_TOKENS.read_request(BODY, NOBODY)
    assert COUNT_TOKENS.write_request(BODY, request, Edits(output_limit=5, ask_usage=True)) is BODY
    written = COUNT_TOKENS.write_request(BODY, request, Edits(model="eu.haiku"))
    assert written == BODY.replace(b"claude-haiku-4-5", b"eu.haiku")


def test_an_error_is_seen() -> None:
    assert COUNT_TOKENS.read_body(b'{"type":"error","error":{"type":"api_error","message":"x"}}').is_error


async def test_the_official_client_counts_and_raises() -> None:
    call: dict[str, Any] = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "hi"}]}
    async with (
        answering(json_of(b'{"input_tokens":14}')) as server,
        anthropic.AsyncAnthropic(base_url=server.url, api_key="bur_x") as claude,
    ):
        assert (await claude.messages.count_tokens(**call)).input_tokens == 14
        assert server.requests == [COUNT_TOKENS.route]
    async with (
        answering(COUNT_TOKENS.refusal(real_refusal())) as server,
        anthropic.AsyncAnthropic(base_url=server.url, api_key="bur_x") as claude,
    ):
        with pytest.raises(anthropic.PaymentRequiredError):
            await claude.messages.count_tokens(**call)
        assert len(server.requests) == 1
