"""A file that calls itself pure does no I/O, asks no clock and rolls no dice, and leans on nothing that does."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.sources import imported_modules, package_modules

# "Pure." or "Pure: …" in a module's docstring is the claim; "Pure, but for …" and "pure" in running text are none.
_CLAIM = re.compile(r"(?:^|[.?!)]\"?\s+)Pure(?=[.,:;]| data)(?!, but for)")
DECLARED = {
    "bursar.billing.billing_object",
    "bursar.billing.models",
    "bursar.billing.refusal",
    "bursar.foundation.money",
    "bursar.foundation.problems",
    "bursar.gateway.dialects.chat_completions",
    "bursar.ledger.books",
    "bursar.ledger.decide",
    "bursar.ledger.events",
    "bursar.ledger.grant",
    "bursar.ledger.model",
    "bursar.ledger.movement",
    "bursar.ledger.resolve",
    "bursar.notices.rules",
    "bursar.pricing.bounds",
    "bursar.pricing.cost",
}
"""Those that the design promises: they must claim it, so that dropping the word does not drop the check."""

IMPURE = {
    "aiohttp", "aiosmtplib", "alembic", "anyio", "asyncio", "asyncpg", "concurrent", "fcntl", "http",
    "httpx", "logging", "multiprocessing", "os", "psutil", "psycopg", "queue", "random", "requests",
    "secrets", "select", "selectors", "shutil", "signal", "smtplib", "socket", "sqlalchemy", "ssl",
    "starlette", "structlog", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request",
    "uuid.uuid1", "uuid.uuid4", "uuid_utils", "uvloop",
}  # fmt: skip
PURE_NAMES = {
    "bursar.foundation.ids.OPERATOR_ACCOUNTS",
    "bursar.foundation.ids.OperatorAccount",
    "bursar.foundation.ids.operator_account_id",
    "bursar.foundation.ids.pool_account_id",
    "bursar.foundation.ids.wallet_account_id",
    "bursar.foundation.clock.Clock",
}
"""What a pure file may import from files that are not pure as a whole."""
_CLOCKS = {"now", "utcnow", "today", "monotonic", "perf_counter", "open", "print", "input"}


def _claims(tree: ast.Module) -> bool:
    return _CLAIM.search(ast.get_docstring(tree) or "") is not None


def _is_below(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def impurities(tree: ast.Module, pure: set[str]) -> list[str]:
    """What of a module's imports and calls contradicts its claim."""
    found = []
    for name in sorted(imported_modules(tree)):
        if name.partition(".")[0] == "bursar":
            if name not in PURE_NAMES and not _is_below(name, pure):
                found.append(f"imports {name}")
        elif _is_below(name, IMPURE):
            found.append(f"imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in _CLOCKS:
                found.append(f"calls {called}() in line {node.lineno}")
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            found.append(f"is asynchronous in line {node.lineno}")
    return found


_MODULES = package_modules()
_PURE = {name for name, tree in _MODULES.items() if _claims(tree)}


@pytest.mark.parametrize("name", sorted(_PURE))
def test_a_pure_file_is_pure(name: str) -> None:
    assert impurities(_MODULES[name], _PURE) == []


def test_what_the_design_promises_to_be_pure_says_so() -> None:
    assert sorted(DECLARED - _PURE) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from asyncio import sleep",
        "def f():\n    import random",
        "from uuid import uuid4",
        "from bursar.ledger.engine import Ledger",
        "from bursar.foundation.ids import new_id",
        "from datetime import datetime\nX = datetime.now()",
        "open('x')",
        "async def f(): ...",
    ],
)
def test_an_impurity_would_be_seen(source: str) -> None:
    assert len(impurities(ast.parse(source), {"bursar.ledger.model"})) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from uuid import UUID",
        "from bursar.ledger.model import Reserve",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncio",
        "from datetime import datetime\nX = datetime(2026, 1, 1)",
    ],
)
def test_a_pure_line_is_no_impurity(source: str) -> None:
    assert impurities(ast.parse(source), {"bursar.ledger.model"}) == []
