"""The tools of Anthropic's API: which the caller runs, which the provider runs, and how often it may. Pure.

A tool that the provider runs makes the model take in its whole context once more after each call, results included; so
its bound is the context window for each round, beside the price of the call itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from bursar.gateway.dialects.members import is_given
from bursar.gateway.dialects.seam import feature_not_priced, invalid

ToolRule = Literal["custom", "client", "toolset", "web_search", "web_fetch", "tool_search"]
"""`custom`: defined by the request. `client`: defined by the provider, run by the caller. `toolset`: several of those.
The others are run by the provider."""

TOOLS: Final[Mapping[str, ToolRule]] = {
    "custom": "custom",
    "bash": "client",
    "text_editor": "client",
    "computer": "client",
    "memory": "client",
    "computer_toolset": "toolset",
    "browser_toolset": "toolset",
    "web_search": "web_search",
    "web_fetch": "web_fetch",
    "tool_search_tool_bm25": "tool_search",
    "tool_search_tool_regex": "tool_search",
}
"""By type, without its date. Not here, and so refused: `code_execution` (charged by the time it runs, which nothing
bounds), `mcp_toolset` (a server's calls are not capped), `advisor` (another model, at its own price)."""

WHY_NOT: Final[Mapping[str, str]] = {
    "code_execution": "the provider charges it by the time it runs, and nothing bounds that",
    "mcp_toolset": "nothing bounds how often the provider calls the server",
    "advisor": "it runs another model, at a price of its own",
}

MOST_ROUNDS: Final = 10
"""Claude API, "Handling stop reasons", `pause_turn`: a loop of server tools ends at its iteration limit, ten unless
agreed otherwise."""

TOOLSET_WORTH: Final = 4
"""Of provider's tools, for a toolset's own definition: twenty members or so. An estimate with room."""

_DATE: Final = re.compile(r"_20\d{6}$")
_DIRECT: Final = ["direct"]
_BY_ITSELF: Final = "_20250"
"""Web tools of 2025 are called by the model only; later ones also by code that the provider runs to filter results."""


class _Tool(msgspec.Struct):
    type: str | None = None
    max_uses: int | None = None
    allowed_callers: list[str] | None = None


_TOOLS: Final = msgspec.json.Decoder(list[_Tool])


@dataclass(slots=True)
class Tools:
    """What a request's tools come to."""

    raws: list[msgspec.Raw] = field(default_factory=list)
    count: int = 0
    provider_count: int = 0
    web_searches: int = 0
    rounds: int = 1
    opaque: list[str] = field(default_factory=list)
    """Tools whose results only the provider sees before it charges them."""

    @property
    def run_by_provider(self) -> bool:
        return self.rounds > 1


def read_tools(raw: msgspec.Raw) -> Tools:
    """Raises `msgspec.DecodeError` for what are no tools, `GatewayFault` for one that has no bound."""
    tools = Tools()
    if not is_given(raw):
        return tools
    tools.raws.append(raw)
    for place, tool in enumerate(_TOOLS.decode(raw)):
        kind = tool.type or "custom"
        rule = TOOLS.get(_DATE.sub("", kind))
        name = f"tools[{place}].{kind}"
        if rule is None:
            why = WHY_NOT.get(_DATE.sub("", kind), "it is not known what it may cost")
            raise feature_not_priced(name, why)
        if rule == "custom":
            tools.count += 1
        else:
            tools.provider_count += TOOLSET_WORTH if rule == "toolset" else 1
        if rule == "tool_search":
            # What it finds stands in the request; how often it is asked is not said.
            tools.rounds = MOST_ROUNDS
        elif rule in ("web_search", "web_fetch"):
            _add_web_tool(tools, tool, kind, rule, name)
    tools.rounds = min(tools.rounds, MOST_ROUNDS)
    return tools


def _add_web_tool(tools: Tools, tool: _Tool, kind: str, rule: ToolRule, name: str) -> None:
    if tool.max_uses is None:
        raise feature_not_priced(name, "the provider runs it as often as it likes; set its 'max_uses'")
    if tool.max_uses < 1:
        raise invalid(f"{name}.max_uses", "'max_uses' must be at least 1.")
    if rule == "web_search":
        tools.web_searches += tool.max_uses
    tools.opaque.append(name)
    by_itself = _BY_ITSELF in kind or tool.allowed_callers == _DIRECT
    # One round for each use, and one for an attempt above the cap, which is answered with an error.
    tools.rounds += tool.max_uses + 1 if by_itself else MOST_ROUNDS
