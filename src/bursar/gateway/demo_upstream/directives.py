"""What a prompt may ask of the demo upstream: `[[tokens=200 delay_ms=50]]` in the last user message. Pure.

| directive | meaning |
|---|---|
| `tokens=N` | length of the answer in words (still cut by the request's own limit) |
| `input_tokens=N`, `cached_tokens=N`, `reasoning_tokens=N` | what the usage reports, whatever was sent |
| `delay_ms=N` | wait before the first byte |
| `chunk_delay_ms=N`, `chunk_tokens=N` | wait between chunks of a stream; words in a chunk |
| `tool=NAME` | call this tool of the request |
| `tools=NAME+NAME` | call these tools, one after the other, then answer |
| `fault=…` | see `FAULTS`; ignored unless the server was started with `--faults` |

It travels in the body, so that it passes through any gateway. Directives are not counted as words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

_MARKER = re.compile(r"\[\[([^\[\]]{0,400})\]\]")

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "reset": "the connection is reset before the first byte",
        "hang": "nothing is ever answered",
        "hang_after": "silence after N chunks of the stream",
        "truncate_after": "the connection is reset after N chunks (a body: after N bytes)",
        "end_after": "the stream ends as if it were whole after N chunks, without usage and end marker",
        "error_after": "the stream reports an error in the dialect's shape after N chunks",
        "broken_json": "the body, or one event of the stream, is no JSON",
        "empty": "200 with an empty body",
        "redirect": "307 to another path",
        "gzip": "the body is compressed though identity was asked for",
        "ignore_limit": "the request's length limit is not obeyed",
        "no_usage": "usage is missing",
        "usage_negative": "usage reports minus one",
        "usage_zero": "usage reports zero",
        "usage_low": "usage reports one token of each kind",
        "usage_huge": "usage reports two billion",
        "insufficient_quota": "the upstream complains about the operator's own account",
    }
)
"""Names of faults; besides them a status between 400 and 599 is a fault: `fault=429`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to fail; `count` is the number after `…_after=`, or the HTTP status of `name` "status"."""

    name: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Directives:
    """What was asked for; None is "as usual"."""

    tokens: int | None = None
    input_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    delay_ms: int = 0
    chunk_delay_ms: int = 0
    chunk_tokens: int = 1
    tool: str | None = None
    tools: tuple[str, ...] = ()
    fault: Fault | None = None


NO_DIRECTIVES = Directives()


def _count(text: str) -> int:
    return min(int(text), 10_000_000)


def _fault(text: str) -> Fault:
    name, _, count = text.partition("=")
    if name.isdigit() and 400 <= int(name) <= 599:
        return Fault("status", int(name))
    if name not in FAULTS:
        raise ValueError(f"unknown fault {name!r}")
    return Fault(name, _count(count) if count else 0)


_READERS: Mapping[str, Callable[[str], object]] = {
    "tokens": _count,
    "input_tokens": _count,
    "cached_tokens": _count,
    "reasoning_tokens": _count,
    "delay_ms": _count,
    "chunk_delay_ms": _count,
    "chunk_tokens": lambda text: max(1, _count(text)),
    "tool": str,
    "tools": lambda text: tuple(name for name in text.split("+") if name),
    "fault": _fault,
}


def read_directives(text: str) -> tuple[str, Directives]:
    """Return the text without its markers, and what they ask for; raise ValueError for what is unknown."""
    if "[[" not in text:
        return text, NO_DIRECTIVES
    found: dict[str, object] = {}
    for marker in _MARKER.finditer(text):
        for assignment in marker[1].split():
            name, _, value = assignment.partition("=")
            if name not in _READERS:
                raise ValueError(f"unknown directive {name!r}")
            found[name] = _READERS[name](value)
    return _MARKER.sub(" ", text), replace(NO_DIRECTIVES, **found)  # type: ignore[arg-type]
