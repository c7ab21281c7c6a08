"""Seconds from `bursar serve` to the first billed call, and the idle memory of a worker.

    python -m bench.startup [--rounds 3]

The first round also creates the embedded database. Memory is the resident set of the process that serves, some seconds
after its first call, without PostgreSQL and the demo model, which are processes of their own.
"""

from __future__ import annotations

import argparse
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

CALL = {"model": "demo-1", "messages": [{"role": "user", "content": "Hello"}]}
IDLE_SECONDS = 5.0


def measure(data_dir: Path) -> tuple[float, float]:
    """Seconds to the first billed call, and megabytes when idle."""
    began = time.perf_counter()
    command = [sys.executable, "-c", "from bursar.cli import main; main()", "serve", "--demo", "--port", "0"]
    process = subprocess.Popen([*command, "--data-dir", str(data_dir)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("Ready"):
                break
        url = re.search(r"listens on (\S+)", said)
        key = re.search(r"Key of .*: (bur_\S+)", said)
        assert url is not None, said
        assert key is not None, said
        headers = {"authorization": f"Bearer {key[1]}"}
        answer = httpx.post(f"{url[1]}/v1/chat/completions", json=CALL, headers=headers, timeout=30)
        seconds = time.perf_counter() - began
        assert "x-bursar-cost" in answer.raise_for_status().headers
        time.sleep(IDLE_SECONDS)
        return seconds, psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as directory:
        Path(directory).chmod(0o755)
        first, *again = [measure(Path(directory) / "data") for _ in range(rounds + 1)]
    print("| | target | measured |\n|---|---:|---:|")
    print(f"| first start (makes the database) to first billed call | | {first[0]:.1f} s |")
    print(f"| later starts, median | 5 s | {statistics.median(seconds for seconds, _ in again):.1f} s |")
    print(f"| idle memory of the worker, median | 150 MB | {statistics.median(mb for _, mb in again):.0f} MB |")


if __name__ == "__main__":
    main()
