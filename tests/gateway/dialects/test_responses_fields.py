"""Responses: the tables against the official client's types."""

from __future__ import annotations

import typing
from typing import Any

from openai.types.beta import response_create_params as beta
from openai.types.responses import (
    ResponseInputContentParam,
    ResponseInputItemParam,
    ResponseStreamEvent,
    ToolParam,
    response_create_params,
)

from bursar.gateway.dialects.openai import KNOWN_TIERS
from bursar.gateway.dialects.responses import FIELDS, WHY_NOT
from bursar.gateway.dialects.responses_answers import ENDS, ERRORS
from bursar.gateway.dialects.responses_content import ITEMS, PARTS
from bursar.gateway.dialects.responses_tools import TOOLS
from bursar.gateway.dialects.responses_tools import WHY_NOT as WHY_NOT_TOOLS


def literals(hint: Any) -> set[Any]:
    if typing.get_origin(hint) is typing.Literal:
        return set(typing.get_args(hint))
    return {literal for part in typing.get_args(hint) for literal in literals(part)}


def kinds_in(union: Any) -> set[str]:
    """The values of `type` in a union of typed dictionaries."""
    return {
        kind for each in typing.get_args(union) for kind in literals(typing.get_type_hints(each).get("type")) if kind
    }


def test_every_field_of_the_client_is_in_the_table() -> None:
    official = {*typing.get_type_hints(response_create_params.ResponseCreateParamsNonStreaming)}
    official |= {*typing.get_type_hints(response_create_params.ResponseCreateParamsStreaming)}
    official |= {*typing.get_type_hints(beta.ResponseCreateParamsStreaming)} - {"betas"}
    assert len(official) >= 30
    assert FIELDS.keys() == official


def test_every_field_that_is_refused_says_why() -> None:
    assert {name for name, rule in FIELDS.items() if rule == "refused"} == WHY_NOT.keys()


def test_every_item_and_part_is_bounded_or_refused() -> None:
    items = kinds_in(ResponseInputItemParam)
    assert len(items) >= 25
    assert items - ITEMS.keys() == {"compaction_trigger"}
    assert ITEMS.keys() <= items
    assert kinds_in(ResponseInputContentParam) <= PARTS.keys()


def test_every_tool_is_bounded_or_refused() -> None:
    official = kinds_in(ToolParam)
    assert official - TOOLS.keys() == WHY_NOT_TOOLS.keys()
    assert TOOLS.keys() <= official


def test_every_event_that_ends_a_stream_is_known() -> None:
    events = {
        kind for each in typing.get_args(typing.get_args(ResponseStreamEvent)[0]) for kind in literals(_type_of(each))
    }
    assert events >= ENDS | ERRORS
    # The other events that carry a whole response come before its end.
    carriers = {
        kind
        for each in typing.get_args(typing.get_args(ResponseStreamEvent)[0])
        if "response" in each.model_fields
        for kind in literals(_type_of(each))
    }
    assert carriers - ENDS == {"response.created", "response.in_progress", "response.queued"}


def _type_of(model: Any) -> Any:
    return model.model_fields["type"].annotation


def test_service_tiers_that_are_new_do_not_pass() -> None:
    official = literals(typing.get_type_hints(response_create_params.ResponseCreateParamsStreaming)["service_tier"])
    assert official - KNOWN_TIERS == {"ultrafast"}
