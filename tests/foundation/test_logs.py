"""Logs: one JSON object a line, with the request's id, and never a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bursar.foundation.logs import configure_logs, current_request_id, hide_secrets, request_id


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_and_what_was_said() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.get_logger("bursar.test").info("started", port=8402)
    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["logger"], line["port"]) == ("started", "info", "bursar.test", 8402)
    assert line["timestamp"].endswith("Z")


def test_other_libraries_come_out_in_the_same_shape() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    logging.getLogger("somebody.else").warning("took %s", "long")
    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("took long", "warning", "somebody.else")


def test_what_is_below_the_level_is_silent() -> None:
    stream = io.StringIO()
    configure_logs(level="warning", stream=stream)
    structlog.get_logger("bursar.test").info("quiet")
    assert stream.getvalue() == ""


def test_a_terminal_gets_lines_for_people() -> None:
    stream = Terminal()
    configure_logs(stream=stream)
    structlog.get_logger("bursar.test").info("started", port=8402)
    assert "started" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_everything_inside_a_request_carries_its_id() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    with request_id("req-1"):
        structlog.get_logger("bursar.test").info("inside")
        logging.getLogger("somebody.else").info("too")
        assert current_request_id() == "req-1"
    structlog.get_logger("bursar.test").info("outside")
    assert [line.get("request_id") for line in _lines(stream)] == ["req-1", "req-1", None]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_gets_out_wherever_it_stands(log_format: Any) -> None:
    stream = Terminal()
    configure_logs(log_format=log_format, stream=stream)
    log = structlog.get_logger("bursar.test")
    log.info(
        "by name", api_key="hidden-1", headers={"Authorization": "hidden-2", "accept": "x"}, secret_keys=("hidden-3",)
    )
    log.info("connecting to postgresql://user:hidden4@host/db with Bearer hidden5hidden5")
    log.info("keys", seen=["bur_hidden6hidden6", "burroot_hidden7hidden7", "sk-hidden8hidden8"])
    logging.getLogger("somebody.else").warning("url %s", "smtp://u:hidden9@host")
    try:
        raise RuntimeError("refused bur_hiddenAhiddenA")
    except RuntimeError:
        log.exception("failed")
    assert "failed" in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()
    assert "hidden" not in stream.getvalue().replace("[hidden]", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefghij", "Authorization: Bearer [hidden]"),
        ("postgresql://me:pw@host/db", "postgresql://me:[hidden]@host/db"),
        ("key bur_abcdefghijk!", "key [hidden]!"),
        ("bursar-app is up", "bursar-app is up"),
        ("http://host:80/a@b", "http://host:80/a@b"),
    ],
)
def test_secrets_in_texts(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown
