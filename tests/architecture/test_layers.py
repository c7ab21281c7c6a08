"""The order of the rooms is enforced: the real tree passes, a planted violation does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGE, ROOT

_ROOMS = "Rooms import downwards only"
_CLIENT = "The client stands beside the rooms"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The house's contracts and code, free to be spoilt."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "src" / "bursar", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def _plant(root: Path, module: str, line: str) -> None:
    path = root / "src" / "bursar" / module
    path.write_text(f"{path.read_text()}\n\n{line}\n")


def test_the_rooms_import_downwards_only(copy: Path) -> None:
    result = _lint(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("foundation/money.py", "import bursar.ledger.model", _ROOMS),
        ("ledger/model.py", "def planted() -> None:\n    from bursar import gateway", _ROOMS),
        ("billing/__init__.py", "from bursar.notices import kinds", _ROOMS),
        ("client/__init__.py", "from bursar.ledger import model", _CLIENT),
    ],
)
def test_a_planted_import_breaks_its_contract(copy: Path, module: str, line: str, broken: str) -> None:
    _plant(copy, module, line)
    result = _lint(copy)
    assert result.returncode == 1, result.stdout
    assert f"{broken} BROKEN" in result.stdout


def test_the_client_loads_neither_a_server_nor_a_database() -> None:
    """Applications import it: it must stay light."""
    heavy = "{'aiohttp', 'alembic', 'asyncpg', 'fastapi', 'psycopg', 'sqlalchemy', 'starlette', 'structlog'}"
    code = f"import sys, bursar.client; print(sorted({heavy} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
