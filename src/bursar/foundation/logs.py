"""Structured logs: JSON for machines, coloured lines on a terminal, never a secret in either.

Libraries that log through the standard library come out in the same shape.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from bursar.foundation.settings_model import LogFormat

_request_id: ContextVar[str | None] = ContextVar("bursar_request_id", default=None)

HIDDEN: Final = "[hidden]"
_SECRET_NAME: Final = re.compile(
    r"authorization|password|passwd|secret|token$|api[-_]?key|root[-_]?key|cookie|^key$|^x-api-key$|dsn",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = (
    (re.compile(r"\bbur(?:root)?_[A-Za-z0-9_\-]{8,}"), HIDDEN),
    (re.compile(r"\bsk-[A-Za-z0-9_\-]{8,}"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.\-]*://)(?P<user>[^\s:/@]*):[^\s/@]+@"), rf"\g<scheme>\g<user>:{HIDDEN}@"),
)


def current_request_id() -> str | None:
    """The id of the request that is being served, `None` outside of one."""
    return _request_id.get()


@contextmanager
def request_id(value: str) -> Iterator[None]:
    """Everything logged inside carries this request id."""
    token = _request_id.set(value)
    try:
        yield
    finally:
        _request_id.reset(token)


def hide_secrets(text: str) -> str:
    """`text` with keys, bearer tokens and passwords in URLs made unreadable."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def configure_logs(*, level: str = "info", log_format: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Set up logging for this process, to standard error unless told otherwise. Calling it again replaces it."""
    stream = sys.stderr if stream is None else stream
    as_json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _hide,
    ]
    renderer: Processor = structlog.processors.JSONRenderer(sort_keys=False)
    if not as_json:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("alembic", "asyncio", "httpx", "httpx2", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _add_request_id(_: Any, __: str, event: EventDict) -> EventDict:
    if (value := _request_id.get()) is not None:
        event.setdefault("request_id", value)
    return event


def _hide(_: Any, __: str, event: EventDict) -> EventDict:
    return {name: _hidden(name, value) for name, value in event.items()}


def _hidden(name: str, value: object) -> Any:
    if name.startswith("_"):
        return value
    if _SECRET_NAME.search(name) and value is not None:
        return HIDDEN
    if isinstance(value, str):
        return hide_secrets(value)
    if isinstance(value, MutableMapping):
        return {key: _hidden(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden("", item) for item in value]
    if isinstance(value, BaseException):
        return hide_secrets(str(value))
    return value
