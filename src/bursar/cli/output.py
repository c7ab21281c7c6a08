"""What a command prints: a table for people, JSON for programs, one line for a mistake."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from bursar.foundation.embedded_directories import EmbeddedPostgresError
from bursar.foundation.money import AmountError
from bursar.foundation.problems import Problem
from bursar.foundation.provision import DatabaseSetupError
from bursar.foundation.settings import SettingsError
from bursar.ledger.entry import LedgerUnavailable

T = TypeVar("T")

MISTAKES = (
    SettingsError,
    DatabaseSetupError,
    EmbeddedPostgresError,
    AmountError,
    LedgerUnavailable,
    OSError,
    ValueError,
)


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine; whatever a person can do something about ends in one line and exit code 2."""
    try:
        return _loop_run(work())
    except Problem as problem:
        fail(f"{problem.field}: {problem.detail}" if problem.field else problem.detail)
    except MISTAKES as error:
        fail(str(error))


def _loop_run(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(coroutine)
    return uvloop.run(coroutine)


def fail(message: str) -> NoReturn:
    """One line on standard error, exit code 2."""
    print(f"bursar: {' '.join(message.split())}", file=sys.stderr)
    raise typer.Exit(2)


def show(rows: Sequence[dict[str, Any]], *, as_json: bool, title: str | None = None) -> None:
    """A list of like things."""
    if as_json:
        print_json(rows)
        return
    console = Console()
    if not rows:
        console.print("nothing")
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in rows[0]:
        table.add_column(column, overflow="fold", justify="right" if _is_amount(rows[0][column]) else "left")
    for row in rows:
        table.add_row(*("" if value is None else _text(value) for value in row.values()))
    console.print(table)


def show_one(fields: dict[str, Any], *, as_json: bool) -> None:
    """One thing, a line a field."""
    if as_json:
        print_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        print(f"{name.ljust(width)}  {'' if value is None else _text(value)}")


def print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return str(value)


def _is_amount(value: Any) -> bool:
    return isinstance(value, str) and value.replace("-", "", 1).replace(".", "", 1).isdigit() and "." in value
