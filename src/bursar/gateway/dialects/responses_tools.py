"""The tools of a response: which the caller runs, which the provider runs, and how often it may. Pure.

A tool that the provider runs makes the model take in its whole context once more after each call, results included; so
its bound is the context window for each round, beside the price of the call itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from bursar.gateway.dialects.members import ABSENT, is_given
from bursar.gateway.dialects.seam import feature_not_priced

ToolRule = Literal[
    "custom", "client", "shell", "namespace", "tool_search", "web_search", "file_search", "code_interpreter"
]
"""`custom`: defined by the request. `client`: defined by the provider, run by the caller. `shell` and `tool_search`: by
either. `namespace`: holds more tools. The others are run by the provider, at a price for each call."""

TOOLS: Final[Mapping[str, ToolRule]] = {
    "function": "custom",
    "custom": "custom",
    "apply_patch": "client",
    "computer": "client",
    "computer_use_preview": "client",
    "local_shell": "client",
    "shell": "shell",
    "namespace": "namespace",
    "tool_search": "tool_search",
    "web_search": "web_search",
    "web_search_2025_08_26": "web_search",
    "file_search": "file_search",
    "code_interpreter": "code_interpreter",
}

WHY_NOT: Final[Mapping[str, str]] = {
    "image_generation": "images are made by another model, at a price of its own",
    "mcp": "nothing bounds how often the provider calls the server",
    "programmatic_tool_calling": "it is not known what the provider charges for running programs",
    "web_search_preview": "its price depends on the model; use 'web_search'",
    "web_search_preview_2025_03_11": "its price depends on the model; use 'web_search'",
}

NO_CAP: Final = "the provider runs it as often as it likes; set 'max_tool_calls'"
LOCAL: Final = "local"
SMALLEST: Final = frozenset({None, "1g"})
"""Memory of a code interpreter's container: others cost more."""


class _Environment(msgspec.Struct):
    type: str = ""


class _Container(msgspec.Struct):
    memory_limit: str | None = None


class _Tool(msgspec.Struct):
    type: str = ""
    environment: _Environment | None = None
    execution: str | None = None
    container: _Container | str | None = None
    tools: msgspec.Raw = ABSENT


_TOOLS: Final = msgspec.json.Decoder(list[_Tool])


@dataclass(slots=True)
class Tools:
    """What a request's tools come to."""

    max_calls: int | None
    raws: list[msgspec.Raw] = field(default_factory=list)
    count: int = 0
    provider_count: int = 0
    web_searches: int = 0
    file_searches: int = 0
    code_executions: int = 0
    rounds: int = 1
    opaque: list[str] = field(default_factory=list)
    """Tools whose results only the provider sees before it charges them."""

    @property
    def run_by_provider(self) -> bool:
        return self.rounds > 1


def read_tools(raws: Sequence[tuple[str, msgspec.Raw]], max_calls: int | None) -> Tools:
    """`raws` are lists of tools, by where they stand. Raises `msgspec.DecodeError` for what are no tools,
    `GatewayFault` for one that has no bound."""
    tools = Tools(max_calls)
    for place, raw in raws:
        if is_given(raw):
            tools.raws.append(raw)
            _read_list(tools, place, raw)
    return tools


def _read_list(tools: Tools, place: str, raw: msgspec.Raw, *, inside: bool = False) -> None:
    for number, tool in enumerate(_TOOLS.decode(raw)):
        rule = TOOLS.get(tool.type)
        name = f"{place}[{number}].{tool.type}"
        if rule is None or (inside and rule != "custom"):
            raise feature_not_priced(name, WHY_NOT.get(tool.type, "it is not known what it may cost"))
        if rule == "custom":
            tools.count += 1
        elif rule == "namespace":
            tools.count += 1
            if is_given(tool.tools):
                _read_list(tools, f"{name}.tools", tool.tools, inside=True)
        else:
            tools.provider_count += 1
            _read_provider_tool(tools, tool, rule, name)


def _read_provider_tool(tools: Tools, tool: _Tool, rule: ToolRule, name: str) -> None:
    if rule == "client" or (rule == "tool_search" and tool.execution == "client"):
        return
    if rule == "shell":
        if tool.environment is None or tool.environment.type != LOCAL:
            raise feature_not_priced(name, "the provider charges its containers by the time they run")
        return
    calls = tools.max_calls
    if calls is None:
        raise feature_not_priced(name, NO_CAP)
    # One round for each call, one for the answer, one for an attempt above the cap, which is ignored.
    tools.rounds = calls + 2
    if rule == "web_search":
        tools.web_searches = calls
    elif rule == "file_search":
        tools.file_searches = calls
    elif rule == "code_interpreter":
        if isinstance(tool.container, _Container) and tool.container.memory_limit not in SMALLEST:
            raise feature_not_priced(f"{name}.memory_limit", "larger containers cost more than the price that is known")
        tools.code_executions = calls
    if rule != "tool_search":  # What that finds stands in the request.
        tools.opaque.append(name)
