"""Start the demo upstream as a process of its own that ends with us."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

START_TIMEOUT_SECONDS = 30.0


@contextlib.asynccontextmanager
async def running_demo_upstream(*, faults: bool = False, port: int = 0) -> AsyncIterator[str]:
    """Start it on 127.0.0.1 and yield its base URL, `http://127.0.0.1:PORT/v1`; stop it at the end.

    It watches its standard input, which ends with this process however that ends. Raise RuntimeError if it does
    not start.
    """
    arguments = ["--port", str(port), "--print-port", "--until-stdin-closes", *(["--faults"] if faults else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bursar.gateway.demo_upstream",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_SECONDS)
        except TimeoutError:
            line = b""
        if not line.strip().isdigit():
            raise RuntimeError("the demo upstream did not start")
        yield f"http://127.0.0.1:{int(line)}/v1"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
