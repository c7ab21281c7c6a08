"""`python -m bench [NAME…]`, which is `make bench`: run benchmarks and write what they print into `docs/benchmarks.md`.

Each one is a section of that page, between two marks; those that were not run stay as they are. Everything that is in
the way of a fair run (what else the machine does) is written at the top.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "benchmarks.md"
TITLES: Final = {
    "peers": "Bursar beside others",
    "gateway": "Gateway: calls through Bursar beside a bare proxy",
    "chunks": "A stream's chunk",
    "half_load": "Latency at half of the maximum load",
    "workers": "Two workers over one database beside one",
    "limits": "Many limits",
    "flat_cost": "A full database beside an empty one",
    "ledger": "Ledger: reserve and settle on one hot pool",
    "notices": "Notices",
    "live": "Live: 1,000 open pages",
    "startup": "Start and memory",
}
"""By bench, in the order of the page; for those that print no title of their own."""
NAMES: Final = tuple(TITLES)

HEAD: Final = """# Benchmarks

Written by `make bench`; `make bench BENCHES="limits chunks"` runs some of them. What is compared runs side by side in
one run, in alternating rounds, and every figure is a median. Load generator, upstream, gateway and PostgreSQL (with
`fsync` and `synchronous_commit` on) share the machine's cores, so take ratios rather than rates. A target that was
missed stays here as missed; [performance.md](performance.md) says why.
"""


def machine() -> str:
    """What the benches run on, and how busy it was when they began."""
    model = re.search(r"model name\s*: (.*)", _read(Path("/proc/cpuinfo")))
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}; load average before: {load}; "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def run(name: str, arguments: list[str]) -> str | None:
    """The section of one bench, shown while it is written; `None` where it failed."""
    environment = {**os.environ, "BENCH_PICTURES": str(PAGE.parent / "pictures")}
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    return "".join(lines) if process.wait() == 0 else None


def titled(name: str, section: str, where: str) -> str:
    """A section with its title, and below it where and when it was measured."""
    title, rest = f"## {TITLES[name]}", section
    if section.startswith("## "):
        title, _, rest = section.partition("\n")
    return f"{title}\n\n{where}\n\n{rest.strip()}\n"


def sections(page: str) -> dict[str, str]:
    """What the page has of each bench."""
    found = re.findall(r"<!-- bench: (\w+) -->\n(.*?)<!-- end: \1 -->", page, flags=re.DOTALL)
    return dict(found)


def write(page: str, made: dict[str, str]) -> str:
    """The page with the sections that were made anew."""
    kept = {**sections(page), **made}
    parts = [f"<!-- bench: {name} -->\n{kept[name]}<!-- end: {name} -->\n" for name in NAMES if name in kept]
    return "\n".join([HEAD, *parts])


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all unless given")
    parser.add_argument("--arguments", default="", help="handed to each bench, as one text")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    failed = []
    for name in options.names or NAMES:
        where = machine()
        print(f"== bench.{name}", flush=True)
        section = run(name, options.arguments.split())
        if section is None:
            failed.append(name)
            continue
        PAGE.write_text(write(_read(PAGE), {name: titled(name, section, where)}))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
