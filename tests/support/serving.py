"""`bursar` as its users start it: a process of its own, on a free port, ended with the test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

BURSAR = (sys.executable, "-c", "from bursar.cli import main; main()")
SECRET_KEY = "a-secret-key-for-tests-only-0123456789"
START_TIMEOUT_SECONDS = 60.0


@dataclass
class Served:
    """A running `bursar serve`."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return self._found(r"listens on (\S+)")

    @property
    def root_key(self) -> str:
        return self._found(r"Root key .*: (burroot_\S+)")

    @property
    def demo_keys(self) -> list[str]:
        return re.findall(r"Key of .*: (bur_\S+)", "\n".join(self.lines))

    @property
    def demo_links(self) -> list[str]:
        return re.findall(r"Sign in as .*, (?:owner|member) .*: (\S+)", "\n".join(self.lines))

    def _found(self, pattern: str) -> str:
        found = re.search(pattern, "\n".join(self.lines))
        assert found is not None, "\n".join(self.lines)
        return found[1]


@contextmanager
def data_directory() -> Iterator[Path]:
    """A directory that the embedded server's own user can pass, where tests run as root."""
    with tempfile.TemporaryDirectory(prefix="bursar-e2e-") as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path / "data"


@contextmanager
def serving(*arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Served]:
    """`bursar serve --port 0 …` until the end of the block; then SIGTERM, as an init system would."""
    process = subprocess.Popen(
        [*BURSAR, "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(environ),
    )
    served = Served(process)
    reader = threading.Thread(target=_read, args=(served,), daemon=True)
    reader.start()
    try:
        assert served.started.wait(START_TIMEOUT_SECONDS), "\n".join(served.lines)
        assert process.poll() is None, "\n".join(served.lines)
        yield served
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)


def _read(served: Served) -> None:
    assert served.process.stdout is not None
    for line in served.process.stdout:
        served.lines.append(line.rstrip("\n"))
        if line.startswith("Ready"):
            served.started.set()
    served.started.set()


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any BURSAR_ variable, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BURSAR_")}
    return {**kept, "BURSAR_LOG_FORMAT": "json", **(more or {})}


def bursar(*arguments: str, environ: Mapping[str, str] | None = None, status: int = 0) -> str:
    """Run a `bursar` command to its end; its standard output. Fails the test on another exit status."""
    done = subprocess.run(
        [*BURSAR, *arguments], capture_output=True, text=True, env=environment(environ), timeout=120, check=False
    )
    assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout if status == 0 else done.stdout + done.stderr
