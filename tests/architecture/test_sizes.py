"""Files stay under 400 lines and functions under 70; no path of somebody's machine gets in."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, files, relative

MAX_FILE_LINES = 399
MAX_FUNCTION_LINES = 69
_GENERATED = {"web/src/shared/api/schema.ts"}
"""Written by a program and read by none of us; it has a test that it is up to date."""
_HOME = re.compile(r"(?<![\w./])/(?:home|Users|root|work)/\w|\b[A-Z]:\\\\Users\\")
_TEXTS = (".py", ".ts", ".tsx", ".toml", ".md", ".sh", ".mako", ".html", ".txt")


def long_functions(source: str) -> list[str]:
    """Names of functions that are too long, their decorators not counted."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]


def test_files_are_short() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in files(".py", ".ts", ".tsx")}
    too_long = {path: length for path, length in lengths.items() if length > MAX_FILE_LINES}
    assert too_long.keys() <= _GENERATED
    assert "src/bursar/foundation/money.py" in lengths


def test_functions_are_short() -> None:
    found = {relative(path): long_functions(path.read_text()) for path in files(".py")}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(("lines", "expected"), [(69, []), (70, ["f"])])
def test_a_long_function_would_be_seen(lines: int, expected: list[str]) -> None:
    assert long_functions("@x\ndef f():\n" + "    pass\n" * (lines - 1)) == expected


def _tracked_texts() -> list[Path]:
    documents = [path for path in (*ROOT.glob("*"), *(ROOT / "docs").rglob("*")) if path.suffix in _TEXTS]
    return [*documents, ROOT / "Makefile", ROOT / ".ci" / "run", *files(*_TEXTS)]


def test_nothing_knows_anybodys_machine() -> None:
    found = []
    for path in _tracked_texts():
        if path != Path(__file__):
            lines = path.read_text().splitlines()
            found += [f"{relative(path)}:{n}" for n, line in enumerate(lines, 1) if _HOME.search(line)]
    assert found == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [("/home/anna/x", True), ("see /Users/anna", True), ("/var/lib/bursar", False), ("a/home/page", False)],
)
def test_a_machines_path_would_be_seen(line: str, expected: bool) -> None:
    assert (_HOME.search(line) is not None) is expected
