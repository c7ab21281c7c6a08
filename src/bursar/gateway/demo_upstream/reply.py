"""What the demo model answers: the text, its length and its usage, before any dialect. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson

from bursar.gateway.demo_upstream.agent import ToolResult, findings, next_tool
from bursar.gateway.demo_upstream.directives import Directives, Fault, read_directives

TOKENS_PER_ATTACHMENT = 85
_ABSURD_USAGE: Mapping[str, int | None] = MappingProxyType(
    {"no_usage": None, "usage_negative": -1, "usage_zero": 0, "usage_low": 1, "usage_huge": 2_000_000_000}
)
_FUNCTION_WORDS = {
    "de": "ich du er sie es wir ihr der die das den dem des ein eine einen und oder nicht ist sind war wie was wer wo "
    "wann warum bitte mit für auf von zu im auch kann kannst hallo guten danke schreibe erkläre mir dir über",
    "en": "i you he she it we they the a an and or not is are was how what who where when why please with for on of "
    "to in also can hello thanks write explain me about",
}
_GERMAN, _ENGLISH = (frozenset(_FUNCTION_WORDS[language].split()) for language in ("de", "en"))
_TEXTS = {
    "de": "Ich bin das Demo-Modell von Bursar: keine KI, nur ein fester Text, damit sich alles ohne Anbieter "
    "ausprobieren lässt. Jedes Wort zählt als ein Token und wird bezahlt, bevor es erscheint.",
    "en": "I am the demo model of Bursar: no AI, only a fixed text, so that everything can be tried without a "
    "provider. Every word counts as one token and is paid for before it appears.",
}
_ECHO = {"de": "Geschrieben wurde mir:", "en": "What I was sent:"}
_TOOL_ECHO = {"de": "Das Werkzeug antwortete:", "en": "The tool answered:"}
_WORDS = {language: tuple(text.split()) for language, text in _TEXTS.items()}


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the caller offers; `schema` is the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A request of any dialect, reduced to what an answer depends on."""

    model: str
    stream: bool
    last_text: str
    counted_tokens: int
    limit_tokens: int | None = None
    choices: int = 1
    tools: tuple[Tool, ...] = ()
    must_call: str | None = None  # a tool's name, or "" for any
    tool_result: str | None = None
    results: tuple[ToolResult, ...] = ()
    """Of the tools that were called since the person last spoke."""
    written: str = ""
    """What of the answer is there already, where it was cut off and is to be continued."""
    include_usage: bool = True
    echo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What is reported, absurd where a fault asked for it. `output` is over all choices, reasoning included."""

    input: int
    output: int
    cached: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; all choices are alike."""

    pieces: tuple[str, ...]
    tool: ToolCall | None
    cut: bool
    usage: Usage | None
    delay_seconds: float
    chunk_delay_seconds: float
    fault: Fault | None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def count_words(text: str) -> int:
    return len(text.split())


def detect_language(text: str) -> str:
    """ "de" or "en", by function words and umlauts; English where nothing speaks for either."""
    words = [word.strip(".,;:!?\"'()") for word in text.lower().split()[:200]]
    german = sum(word in _GERMAN or any(letter in word for letter in "äöüß") for word in words)
    return "de" if german > sum(word in _ENGLISH for word in words) else "en"


def sample_arguments(schema: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits a plain JSON schema, always the same."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties") or {}
        wanted = schema.get("required") or list(properties)
        return {name: sample_arguments(properties.get(name, {}), depth + 1) for name in wanted if depth < 8}
    simple: dict[Any, Any] = {"number": 1.5, "boolean": True, "array": [], "null": None}
    if kind == "integer":
        return schema.get("minimum", 1)
    return simple.get(kind, "demo")


def _chosen_tool(request: Request, text: str, directives: Directives) -> ToolCall | None:
    """The tool that the prompt or the request asks for; after a tool has answered only as the agent goes on."""
    if not request.tools or request.written:
        return None
    names = {tool.name: tool for tool in request.tools}
    following = next_tool(frozenset(names), directives.tools, request.results, text)
    if following is not None:
        name, arguments = following
        known = sample_arguments({"type": "object", **names[name].schema})
        return ToolCall(name, orjson.dumps({**known, **arguments}).decode())
    if request.tool_result is not None:
        return None
    tool = names.get(directives.tool or "") or names.get(request.must_call or "")
    if tool is None and request.must_call is not None:
        tool = request.tools[0]
    if tool is None:
        tool = next((offered for offered in request.tools if offered.name in text), None)
    if tool is None:
        return None
    return ToolCall(tool.name, orjson.dumps(sample_arguments({"type": "object", **tool.schema})).decode())


def _own_words(request: Request, text: str) -> list[str]:
    language = detect_language(text)
    found = findings(request.results, text, language)
    if found is not None:
        return found.split()
    if request.tool_result is not None and not _knows(request.results):
        return [*_TOOL_ECHO[language].split(), *request.tool_result.split()[:30]]
    quoted = text.split()[:12]
    return [*_WORDS[language], *_ECHO[language].split(), *quoted] if quoted else list(_WORDS[language])


def _knows(results: Sequence[ToolResult]) -> bool:
    """Whether all that was found is that there are no documents."""
    return [result.name for result in results] == ["list_documents"]


def _pieces(words: Sequence[str], chunk_tokens: int) -> tuple[str, ...]:
    if chunk_tokens == 1:
        return tuple(word if index == 0 else " " + word for index, word in enumerate(words))
    groups = (words[start : start + chunk_tokens] for start in range(0, len(words), chunk_tokens))
    return tuple(("" if index == 0 else " ") + " ".join(group) for index, group in enumerate(groups))


def _usage(request: Request, directives: Directives, output: int, fault: Fault | None) -> Usage | None:
    if fault is not None and fault.name in _ABSURD_USAGE:
        absurd = _ABSURD_USAGE[fault.name]
        return None if absurd is None else Usage(absurd, absurd, 0, 0)
    counted = request.counted_tokens if directives.input_tokens is None else directives.input_tokens
    reasoning = directives.reasoning_tokens * request.choices
    return Usage(counted, output * request.choices + reasoning, min(directives.cached_tokens, counted), reasoning)


def compose(request: Request, *, faults: bool) -> Reply:
    """Decide the answer to a request. Raise ValueError for a directive that does not exist."""
    text, directives = read_directives(request.last_text)
    fault = directives.fault if faults else None
    tool = _chosen_tool(request, text, directives)
    if tool is not None:
        pieces: tuple[str, ...] = ()
        length, cut = 1 + count_words(tool.arguments), False
    else:
        words = _own_words(request, text)
        if directives.tokens is not None:
            words = list(itertools.islice(itertools.cycle(words), directives.tokens))
        there = len(request.written.split())
        words = words[there:]
        limit = request.limit_tokens
        if limit is not None:
            limit = max(0, limit - directives.reasoning_tokens)
        cut = limit is not None and len(words) > limit and not (fault is not None and fault.name == "ignore_limit")
        words = words[:limit] if cut else words
        pieces, length = _pieces(words, directives.chunk_tokens), len(words)
        if there and pieces:
            pieces = (" " + pieces[0], *pieces[1:])
    return Reply(
        pieces=pieces,
        tool=tool,
        cut=cut,
        usage=_usage(request, directives, length, fault),
        delay_seconds=directives.delay_ms / 1000,
        chunk_delay_seconds=directives.chunk_delay_ms / 1000,
        fault=fault,
    )
