"""The official clients against the running server: what they make of an answer, of a refusal and of a stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients.conftest import Driver, Installation
from tests.clients.facts import Facts
from tests.clients.node_clients import NODE_CLIENTS
from tests.clients.python_clients import PYTHON_CLIENTS

HELLO = "hello [[tokens=12]]"
LONG = "hello [[tokens=5000 chunk_tokens=20]]"
WEATHER = "the weather, please [[tool=weather]]"

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
RAISED, DELIVERED = "raised", "delivered"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a client: the route it calls; whether it runs tools and calls again; how it tells of a refusal
    (by, class), of a refused stream, and of a stop in the stream; and whether `billing` is to be had after a stop."""

    route: str
    refused: str
    stopped: tuple[str, str]
    streams_refused: str = RAISED
    runs_tools: bool = False
    billing_after_stop: bool = True


QUOTA = "ModelQuotaExceededError"
CLIENTS = {
    "python: openai chat": Known(CHAT, "APIStatusError", (RAISED, "APIError")),
    "python: openai responses": Known(RESPONSES, "APIStatusError", (DELIVERED, "response.failed")),
    "python: anthropic": Known(MESSAGES, "PaymentRequiredError", (RAISED, "APIStatusError")),
    "python: pydantic-ai openai chat": Known(CHAT, QUOTA, (RAISED, QUOTA), runs_tools=True),
    # It makes an exception of the code and the message, and keeps nothing else.
    "python: pydantic-ai openai responses": Known(
        RESPONSES, QUOTA, (RAISED, QUOTA), runs_tools=True, billing_after_stop=False
    ),
    "python: pydantic-ai anthropic": Known(MESSAGES, QUOTA, (RAISED, QUOTA), runs_tools=True),
    "python: langchain-openai": Known(CHAT, "APIStatusError", (RAISED, "APIError")),
    "node: openai chat": Known(CHAT, "APIError", (RAISED, "APIError")),
    "node: openai responses": Known(RESPONSES, "APIError", (DELIVERED, "response.failed")),
    "node: anthropic": Known(MESSAGES, "PaymentRequiredError", (RAISED, "APIError")),
    # The AI SDK throws nothing while it streams: what goes wrong is a part of the stream.
    "node: ai openai-compatible": Known(CHAT, "APICallError", (DELIVERED, "Object"), DELIVERED, runs_tools=True),
    "node: ai anthropic": Known(MESSAGES, "APICallError", (DELIVERED, "Object"), DELIVERED, runs_tools=True),
}
CODES = {CHAT: "insufficient_quota", RESPONSES: "insufficient_quota", MESSAGES: "billing_error"}

every_client = pytest.mark.parametrize("driver", CLIENTS, indirect=True)


def test_every_client_is_known() -> None:
    assert set(CLIENTS) == {f"python: {name}" for name in PYTHON_CLIENTS} | {f"node: {name}" for name in NODE_CLIENTS}


@every_client
@pytest.mark.parametrize("operation", ["whole", "stream"])
def test_a_call(driver: Driver, installation: Installation, operation: str) -> None:
    tenant = installation.tenant("1.00")
    facts = driver(operation, installation.wire.url, tenant.key, HELLO)
    assert (facts.error, facts.ended) == (None, True)
    assert facts.text.startswith("I am the demo model of Bursar")
    assert len(facts.text.split()) == 12
    assert facts.output_tokens == 12
    assert installation.wire.paths(tenant.key) == [CLIENTS[driver.name].route]
    (charge,) = tenant.charges(1)
    assert (charge["outputTokens"], charge["costSource"]) == (12, "PROVIDER_USAGE")


@every_client
def test_a_tool_call(driver: Driver, installation: Installation) -> None:
    known = CLIENTS[driver.name]
    tenant = installation.tenant("1.00")
    facts = driver("tool", installation.wire.url, tenant.key, WEATHER)
    assert (facts.error, facts.ended) == (None, True)
    assert (facts.tool, facts.arguments) == ("weather", {"city": "demo"})
    if known.runs_tools:
        assert facts.text == "The tool answered: sunny"
    calls = 2 if known.runs_tools else 1
    assert installation.wire.paths(tenant.key) == [known.route] * calls
    assert {charge["costSource"] for charge in tenant.charges(calls)} == {"PROVIDER_USAGE"}


@every_client
@pytest.mark.parametrize("operation", ["whole", "stream"])
def test_without_money_one_request_is_made_and_the_billing_object_is_readable(
    driver: Driver, installation: Installation, operation: str
) -> None:
    known = CLIENTS[driver.name]
    tenant = installation.tenant(None)
    facts = driver(operation, installation.wire.url, tenant.key, HELLO)
    assert facts.by == (known.streams_refused if operation == "stream" else RAISED)
    assert (facts.error, facts.status) == (known.refused, 402)
    assert facts.text == ""
    billing = billing_of(facts)
    assert billing["mandateId"] == tenant.mandate_id
    assert billing["currentBalance"] == "0.000000000"
    assert installation.wire.paths(tenant.key) == [known.route]
    tenant.charges(0)


@every_client
def test_money_that_ends_in_the_stream_is_told_and_what_came_is_kept(
    driver: Driver, installation: Installation
) -> None:
    known = CLIENTS[driver.name]
    tenant = installation.tenant("0.005")
    facts = driver("stream", installation.wire.url, tenant.key, LONG)
    assert (facts.by, facts.error) == known.stopped
    assert facts.code == CODES[known.route]
    assert "The AI credit of Kunden AG is used up." in str(facts.message)
    if known.billing_after_stop:
        assert billing_of(facts)["mandateId"] == tenant.mandate_id
    words = len(facts.text.split())
    assert 500 < words < 5_000
    assert facts.text.startswith("I am the demo model of Bursar")
    assert installation.wire.paths(tenant.key) == [known.route]
    (charge,) = tenant.charges(1)
    assert charge["costSource"] == "ESTIMATED"
    assert charge["outputTokens"] >= words


def billing_of(facts: Facts) -> dict[str, Any]:
    """The billing object of a shortage, told to an owner: with the balance, and with what to do."""
    billing = facts.billing
    assert billing is not None
    told = (billing["code"], billing["reason"], billing["userAction"])
    assert told == ("INSUFFICIENT_BALANCE", "BALANCE_EXHAUSTED", "TOP_UP_SELF")
    assert billing["messageEn"] in str(facts.message)
    assert billing["billingUrl"].endswith(f"/billing?mandate={billing['mandateId']}")
    return billing
