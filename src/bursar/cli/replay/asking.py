"""How a call of the trace is put to each of the gateway's dialects, and how its refusal in a stream looks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson


@dataclass(frozen=True, slots=True)
class Asking:
    """A dialect, as far as the replay must speak it."""

    path: str
    upstream_dialect: Literal["openai", "anthropic"]
    body: Callable[[str, int], dict[str, Any]]
    """From the prompt and the most tokens to answer with; the model and whether it streams are added."""
    has_output: bool = True
    """Whether there is output to pay for, and to stream."""
    error_in: Callable[[Mapping[str, Any]], Any] = lambda event: event.get("error")
    """The error that an event of a stream carries."""


def _one_message(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


ASKINGS: Final[Mapping[str, Asking]] = {
    "chat_completions": Asking(
        "/v1/chat/completions",
        "openai",
        lambda prompt, limit: {"messages": _one_message(prompt), "max_completion_tokens": limit},
    ),
    "responses": Asking(
        "/v1/responses",
        "openai",
        lambda prompt, limit: {"input": prompt, "max_output_tokens": limit},
        error_in=lambda event: (event.get("response") or {}).get("error"),
    ),
    "messages": Asking(
        "/v1/messages",
        "anthropic",
        lambda prompt, limit: {"messages": _one_message(prompt), "max_tokens": limit},
    ),
    "embeddings": Asking("/v1/embeddings", "openai", lambda prompt, limit: {"input": prompt}, has_output=False),
}


def error_of(asking: Asking, stream: bytes) -> dict[str, Any] | None:
    """The error that ended a stream, if one did."""
    for line in stream.splitlines():
        if line.startswith(b"data: ") and b'"error"' in line and line != b"data: [DONE]":
            error = asking.error_in(orjson.loads(line[6:]))
            if isinstance(error, dict):
                return error
    return None
