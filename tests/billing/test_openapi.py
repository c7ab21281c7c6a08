"""What `/api/openapi.json` promises is kept: requests made from it, for every operation, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.gateway.world import served
from tests.support.management import ROOT_KEY, Api

CHECKS: list[Callable[..., Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


async def things(api: Api) -> dict[str, str]:
    """Ids that exist, by the name that a path calls them by: a mandate with one of each."""
    mandate = await api.mandate()
    user = await api.user(mandate)
    top_up = await api.top_up(mandate, "100")
    key = await api.made(f"{mandate}/keys", {"kind": "service", "name": "x"})
    limit = await api.made(f"{mandate}/limits", {"scope": "mandate", "period": "total", "amount": "50"})
    hold = await api.made(f"{mandate}/holds", {"desired": "1"})
    voucher = await api.made("/api/vouchers", {"amount": "1", "currency": "CHF", "expiresAt": "2999-01-01T00:00:00Z"})
    return {
        "mandateId": mandate.rsplit("/", 1)[1],
        "userId": user,
        "transferId": top_up["id"],
        "keyId": key["id"],
        "limitId": limit["id"],
        "holdId": hold["id"],
        "voucherId": voucher["vouchers"][0]["id"],
    }


def operations(document: dict[str, Any]) -> list[Any]:
    """All but those that answer with a stream of events: it has no end, and each has tests of its own."""
    without_streams(document)
    schema = schemathesis.openapi.from_dict(document)
    results = list(schema.get_all_operations())
    assert all(isinstance(result, Ok) for result in results)
    return [result.ok() for result in results if isinstance(result, Ok)]


def without_streams(document: dict[str, Any]) -> None:
    for item in document["paths"].values():
        for verb in list(item):
            answers = item[verb]["responses"].get("200", {}).get("content", {})
            if "text/event-stream" in answers:
                del item[verb]


def try_operation(
    operation: Any, url: str, known: dict[str, str], *, examples: int, random_seed: int, key: str = ROOT_KEY
) -> None:
    """Requests as the document describes them, and ones that it rules out; mostly about things that exist."""
    both = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @seed(random_seed)
    @hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=both, exists=st.sampled_from([True, True, True, False]))
    def run(case: Any, exists: bool) -> None:
        if exists and case.path_parameters:
            for name in case.path_parameters:
                case.path_parameters[name] = known.get(name, case.path_parameters[name])
        case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)

    run()


async def try_all(api: Api, *, examples: int, random_seed: int) -> int:
    document = (await api.get("/api/openapi.json")).json()
    found = operations(document)
    problems: list[str] = []
    async with served(api.app) as url:
        for operation in found:
            known = await things(api)
            try:
                await asyncio.to_thread(
                    try_operation, operation, url, known, examples=examples, random_seed=random_seed
                )
            except Exception as error:
                problems.append(f"{operation.label}: {error!r} {getattr(error, 'exceptions', '')}")
    assert not problems, "\n\n".join(problems)
    return len(found)


async def test_every_operation_keeps_what_the_document_says(api: Api) -> None:
    assert await try_all(api, examples=6, random_seed=4) >= 40


@pytest.mark.simulate
@pytest.mark.parametrize("random_seed", range(5))
async def test_every_operation_for_long(api: Api, random_seed: int) -> None:
    await try_all(api, examples=150, random_seed=random_seed)


async def test_a_promise_that_is_not_kept_is_found(api: Api) -> None:
    """The checks above can fail: the same requests against a document that says something else."""
    document = (await api.get("/api/openapi.json")).json()
    document["components"]["schemas"]["BalanceAnswer"]["required"].append("nobodySendsThis")
    del document["paths"]["/api/mandates/{mandateId}/usage"]["get"]["responses"]["422"]
    found = {operation.label: operation for operation in operations(document)}
    known = await things(api)
    async with served(api.app) as url:
        for label in ("GET /api/mandates/{mandateId}/balance", "GET /api/mandates/{mandateId}/usage"):
            with pytest.raises(FailureGroup):
                await asyncio.to_thread(try_operation, found[label], url, known, examples=40, random_seed=1)


@pytest.mark.parametrize(
    ("stories", "steps"), [(6, 6), pytest.param(100, 15, marks=pytest.mark.simulate)], ids=["short", "long"]
)
async def test_stories_made_of_operations(api: Api, stories: int, steps: int) -> None:
    """What one answer names, the next request uses: whole stories, as the document's links allow them."""
    document = (await api.get("/api/openapi.json")).json()
    without_streams(document)

    def tell(url: str) -> None:
        headers = {"Authorization": f"Bearer {ROOT_KEY}"}

        class Stories(schemathesis.openapi.from_dict(document).as_state_machine()):  # type: ignore[misc]
            def get_call_kwargs(self, case: Any) -> dict[str, Any]:
                return {"headers": headers, "base_url": url}

            def validate_response(self, response: Any, case: Any, **_: Any) -> None:
                case.validate_response(response, checks=CHECKS)

        quick = hypothesis_settings(
            max_examples=stories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(4)(Stories)
        run_state_machine_as_test(Stories, settings=quick)

    async with served(api.app) as url:
        await asyncio.to_thread(tell, url)
