"""The web pages as tests need them: npm's packages there, the pages built, both once for all workers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Final, NoReturn

import pytest

from bursar.foundation.file_locks import exclusive_lock
from hatch_build import PagesNotBuilt, build_pages, install_modules, npm_command, npm_environment, pages_folder

ROOT: Final = Path(__file__).parents[2]
WEB: Final = ROOT / "web"
PAGES: Final = pages_folder(ROOT)
_WAIT_SECONDS: Final = 400
"""For another worker that installs and builds."""


def missing(what: str) -> NoReturn:
    """A user's machine may do without; where everything must be green, nothing is left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def need_modules() -> None:
    """npm's packages, installed if they are not; without Node or the registry the test is skipped, or fails in CI."""
    with _alone():
        install_modules(WEB)


def need_pages() -> None:
    """The pages as the sources have them, and npm's packages."""
    with _alone():
        build_pages(ROOT)
        install_modules(WEB)


@contextmanager
def _alone() -> Iterator[None]:
    lock = Path(gettempdir()) / f"bursar-pages-{sha256(str(ROOT).encode()).hexdigest()[:12]}.lock"
    try:
        with exclusive_lock(lock, timeout_seconds=_WAIT_SECONDS):
            yield
    except PagesNotBuilt as error:
        missing(str(error))


def run_npm(*arguments: str, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    """npm in `web/`, its output as one text."""
    return subprocess.run(
        [*npm_command(), *arguments],
        cwd=WEB,
        env={**npm_environment(), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_seconds,
        check=False,
    )
