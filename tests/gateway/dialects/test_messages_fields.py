"""Messages: the tables against the official client's types."""

from __future__ import annotations

import typing
from typing import Any

import anthropic.types as stable
import anthropic.types.beta as beta
from anthropic.types import message_create_params as stable_params
from anthropic.types.beta import message_create_params as beta_params

from bursar.gateway.dialects.messages import BETAS, FIELDS, WHY_NOT
from bursar.gateway.dialects.messages_content import BLOCKS
from bursar.gateway.dialects.messages_tools import _DATE, TOOLS
from bursar.gateway.dialects.messages_tools import WHY_NOT as WHY_NOT_TOOLS

OLDER = {"temperature", "top_k", "top_p", "output_format"}
"""Fields that earlier releases of the API have."""
HEADERS = {"betas"}
"""Parameters that the client sends as headers."""


def fields_of(*types: Any) -> set[str]:
    return {name for each in types for name in typing.get_type_hints(each)}


def kinds_in(union: Any) -> set[str | None]:
    """The values of `type` in a union of typed dictionaries."""
    found: set[str | None] = set()
    for member in typing.get_args(union):
        if isinstance(member, type) and not hasattr(member, "model_fields"):
            kind = typing.get_type_hints(member).get("type")
            found.update(literal for literal in _literals(kind) if literal is not None)
    return found


def _literals(hint: Any) -> list[Any]:
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    return [literal for part in typing.get_args(hint) for literal in _literals(part)]


def test_every_field_of_the_client_is_in_the_table() -> None:
    official = fields_of(
        stable_params.MessageCreateParamsNonStreaming,
        stable_params.MessageCreateParamsStreaming,
        beta_params.MessageCreateParamsNonStreaming,
        beta_params.MessageCreateParamsStreaming,
    )
    assert len(official) >= 20
    assert official - HEADERS - FIELDS.keys() == set()
    assert FIELDS.keys() - official == OLDER


def test_every_field_that_is_refused_says_why() -> None:
    assert {name for name, rule in FIELDS.items() if rule == "refused"} == WHY_NOT.keys() - {"inference_geo"}


def test_every_block_is_bounded_or_refused() -> None:
    official = kinds_in(stable.ContentBlockParam) | kinds_in(beta.BetaContentBlockParam)
    assert official - BLOCKS.keys() == {"container_upload", "tool_addition", "tool_removal"}
    results = typing.get_args(typing.get_type_hints(stable.ToolResultBlockParam)["content"])[1]
    assert kinds_in(typing.get_args(results)[0]) <= BLOCKS.keys()


def test_every_tool_is_bounded_or_refused() -> None:
    official = {
        _DATE.sub("", kind or "custom") for kind in kinds_in(stable.ToolUnionParam) | kinds_in(beta.BetaToolUnionParam)
    }
    assert len(official) >= 12
    assert official - TOOLS.keys() == WHY_NOT_TOOLS.keys()


def test_betas_that_may_cost_more_do_not_pass() -> None:
    known = {value.encode() for value in _literals(typing.get_args(anthropic_beta())[1])}
    costly = (
        b"mcp",
        b"code-exec",
        b"skills",
        b"advisor",
        b"fallback",
        b"compact",
        b"threads",
        b"output-300k",
        b"billing",
    )
    assert [value for value in BETAS if any(word in value for word in costly)] == []
    assert BETAS - known <= {b"claude-code-20250219", b"effort-2025-11-24", b"fine-grained-tool-streaming-2025-05-14"}


def anthropic_beta() -> Any:
    return stable.AnthropicBetaParam
