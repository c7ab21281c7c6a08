"""OpenAI's embeddings as the demo upstream speaks them: vectors drawn from a hash, equal for equal texts."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any

from bursar.gateway.demo_upstream.dialect import Body, Dialect, event, openai_error
from bursar.gateway.demo_upstream.directives import read_directives
from bursar.gateway.demo_upstream.reply import Reply, Request, count_words

DEFAULT_DIMENSIONS = 64
MAX_DIMENSIONS = 4096


def _inputs(given: object) -> list[str | list[int]]:
    """One text, several, one list of token numbers, or several."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise ValueError("input is empty or no text")
    if all(isinstance(item, int) for item in given):
        return [given]
    if not all(isinstance(item, str | list) for item in given):
        raise TypeError("input holds something else than texts and tokens")
    return given


def read_embeddings(body: Body) -> Request:
    inputs = _inputs(body["input"])
    dimensions = int(body.get("dimensions") or DEFAULT_DIMENSIONS)
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise ValueError(f"dimensions are between 1 and {MAX_DIMENSIONS}")
    texts = [item for item in inputs if isinstance(item, str)]
    tokens = sum(len(item) for item in inputs if not isinstance(item, str))
    return Request(
        model=str(body["model"]),
        stream=False,
        last_text=texts[-1] if texts else "",
        counted_tokens=tokens + sum(count_words(read_directives(text)[0]) for text in texts),
        echo={"inputs": inputs, "dimensions": dimensions, "base64": body.get("encoding_format") == "base64"},
    )


def vector(text: str, dimensions: int) -> list[float]:
    """A unit vector that depends on the text only."""
    drawn = hashlib.shake_256(text.encode()).digest(dimensions * 2)
    numbers = [number / 32768 for number in struct.unpack(f"<{dimensions}h", drawn)]
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]


def whole_embeddings(request: Request, reply: Reply, answer_id: str) -> dict[str, Any]:
    data = []
    for index, item in enumerate(request.echo["inputs"]):
        numbers: list[float] | str = vector(str(item), request.echo["dimensions"])
        if request.echo["base64"]:
            numbers = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        data.append({"object": "embedding", "index": index, "embedding": numbers})
    answer = {"object": "list", "data": data, "model": request.model}
    if reply.usage is None:
        return answer
    return answer | {"usage": {"prompt_tokens": reply.usage.input, "total_tokens": reply.usage.input}}


EMBEDDINGS = Dialect(
    read=read_embeddings,
    whole=whole_embeddings,
    stream=None,
    error=openai_error,
    error_event=lambda message: event(openai_error(500, "server_error", message)),
)
