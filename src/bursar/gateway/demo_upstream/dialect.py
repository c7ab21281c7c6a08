"""What a dialect of the demo upstream is: pure functions from a body to an answer, one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bursar.gateway.demo_upstream.directives import read_directives
from bursar.gateway.demo_upstream.reply import TOKENS_PER_ATTACHMENT, Reply, Request, count_words

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventStream:
    """A stream's bytes: what comes at once, the paced chunks, and what ends it."""

    before: bytes
    chunks: Sequence[bytes]
    after: bytes


@dataclass(frozen=True, slots=True)
class Dialect:
    """`read` raises KeyError, TypeError or ValueError for a body that is none of this dialect."""

    read: Callable[[Body], Request]
    whole: Callable[[Request, Reply, str], dict[str, Any]]
    stream: Callable[[Request, Reply, str], EventStream] | None
    error: Callable[[int, str, str], dict[str, Any]]
    error_event: Callable[[str], bytes]


def openai_error(status: int, code: str, message: str) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 429 else "server_error"
    kind = code if code == "insufficient_quota" else kind
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    line = b"data: " + orjson.dumps(data) + b"\n\n"
    return line if name is None else b"event: " + name.encode() + b"\n" + line


def text_of(content: object) -> tuple[str, int]:
    """The text of a message's content and how many attachments (images, files, audio) stand beside it."""
    if isinstance(content, str):
        return content, 0
    if content is None:
        return "", 0
    if not isinstance(content, list):
        raise TypeError("content is neither text nor a list of parts")
    texts: list[str] = []
    attachments = 0
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif "text" in part:
            texts.append(part["text"])
        elif "content" in part:
            inner, more = text_of(part["content"])
            texts.append(inner)
            attachments += more
        else:
            attachments += 1
    return " ".join(texts), attachments


def count_tokens(contents: Iterable[object], tools: object = None) -> int:
    """Words of all contents but their directives, a flat number for each attachment, words of the tools' JSON."""
    total = 0
    for content in contents:
        text, attachments = text_of(content)
        if "[[" in text:
            text, _ = read_directives(text)
        total += count_words(text) + attachments * TOKENS_PER_ATTACHMENT
    return total + (count_words(orjson.dumps(tools, option=orjson.OPT_INDENT_2).decode()) if tools else 0)
