"""The build hook: what it builds from, and that packages carry the pages and need neither Node nor npm again."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hatch_build import STAMP, WITHOUT_PAGES, is_current, pages_folder, sources_hash
from tests.support.web import PAGES, ROOT, need_pages

pytestmark = pytest.mark.timeout(600)
NO_NETWORK = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_fetch_retries": "0", "PATH": os.defpath}


def hatchling(folder: Path, target: str, into: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A build as pip's, but in this environment instead of an isolated one."""
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)],
        cwd=folder,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def pages_in(wheel_folder: Path) -> dict[str, bytes]:
    (wheel,) = wheel_folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = [name for name in file.namelist() if name.startswith("bursar/pages/")]
        return {name.removeprefix("bursar/pages/"): file.read(name) for name in names}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source archive of this tree, unpacked where the path has a space."""
    need_pages()
    folder = tmp_path_factory.mktemp("source archive")
    done = hatchling(ROOT, "sdist", folder / "dist")
    assert done.returncode == 0, done.stdout
    (archive,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    (found,) = folder.glob("bursar-*")
    return found


def test_an_install_from_a_source_archive_builds_nothing(unpacked: Path, tmp_path: Path) -> None:
    assert is_current(unpacked)
    done = hatchling(unpacked, "wheel", tmp_path, **NO_NETWORK)
    assert done.returncode == 0, done.stdout
    expected = {path.relative_to(PAGES).as_posix(): path.read_bytes() for path in PAGES.rglob("*") if path.is_file()}
    assert pages_in(tmp_path) == expected
    assert {"index.html", "icon.svg", STAMP} < expected.keys()


def test_no_way_to_npms_registry_is_one_clear_line(unpacked: Path, tmp_path: Path) -> None:
    with (unpacked / "web" / "src" / "main.tsx").open("a") as file:
        file.write("// changed\n")
    before = (pages_folder(unpacked) / "index.html").read_text()
    done = hatchling(unpacked, "wheel", tmp_path, **NO_NETWORK, npm_config_cache=str(tmp_path / "cache"))
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if "registry" in line]
    assert line.startswith("bursar: npm's registry cannot be reached (ECONNREFUSED)")
    assert WITHOUT_PAGES in line
    assert (pages_folder(unpacked) / "index.html").read_text() == before


def test_without_pages_is_a_choice(unpacked: Path, tmp_path: Path) -> None:
    done = hatchling(unpacked, "wheel", tmp_path, **NO_NETWORK, **{WITHOUT_PAGES: "1"})
    assert done.returncode == 0, done.stdout
    assert pages_in(tmp_path) == {}


@pytest.fixture
def web(tmp_path: Path) -> Path:
    for name in ("src/a.ts", "src/a.test.ts", "package.json", "node_modules/x/index.js", "packages/p/tests/t.sse"):
        path = tmp_path / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "web"


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    # what                     how                                                                  builds again
    "a source's content": (lambda web: (web / "src" / "a.ts").write_text("other"), True),
    "a source's name": (lambda web: (web / "src" / "a.ts").rename(web / "src" / "b.ts"), True),
    "a new source": (lambda web: (web / "public.svg").write_text(""), True),
    "content across files": (lambda web: (web / "src" / "a.ts").write_text("src/a.tspackage.json"), True),
    "a source's time": (lambda web: os.utime(web / "src" / "a.ts", (1, 1)), False),
    "a test": (lambda web: (web / "src" / "a.test.ts").write_text("other"), False),
    "a recorded stream": (lambda web: (web / "packages" / "p" / "tests" / "t.sse").write_text("other"), False),
    "an installed package": (lambda web: (web / "node_modules" / "x" / "index.js").write_text("other"), False),
}


@pytest.mark.parametrize("what", CHANGES)
def test_pages_are_built_again_when_what_they_are_made_from_changes(web: Path, what: str) -> None:
    change, builds_again = CHANGES[what]
    before = sources_hash(web)
    change(web)
    assert (sources_hash(web) != before) is builds_again
