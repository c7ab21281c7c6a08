"""What a client made of a call: the same facts of every client, whatever its language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Task:
    """What a client is to do; `operation` is whole, stream or tool, and every client leaves its own retries on."""

    operation: str
    base_url: str
    key: str
    prompt: str

    @property
    def v1_url(self) -> str:
        return f"{self.base_url}/v1"


@dataclass(slots=True)
class Facts:
    """Filled while the call runs, so that what came before an error is kept as a client's user would keep it.

    `error` is the name of the exception's class, or of the event in which the client delivered the error; `by` tells
    which. `code` is what the client itself says of the error: OpenAI's code, Anthropic's type.
    """

    text: str = ""
    output_tokens: int | None = None
    tool: str | None = None
    arguments: Any = None
    ended: bool = False
    by: str | None = None
    error: str | None = None
    status: int | None = None
    code: str | None = None
    message: str | None = None
    billing: dict[str, Any] | None = None
