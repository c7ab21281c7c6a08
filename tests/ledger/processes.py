"""Starting worker processes, hearing what they say, ending them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

ROOT = Path(__file__).parents[2]


class Worker:
    """One process of `tests.ledger.worker`. `heard` has whatever it said before its end, whole lines only."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.heard: list[dict[str, Any]] = []
        self._ready = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, mode: str, dsn: str, mandate_id: UUID, *rest: int) -> Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.ledger.worker",
            mode,
            dsn,
            str(mandate_id),
            *map(str, rest),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        )
        worker = cls(process)
        await worker._ready.wait()
        return worker

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if line.endswith(b"\n"):
                self.heard.append(json.loads(line))
                self._ready.set()
        self._ready.set()

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def ended(self) -> list[dict[str, Any]]:
        """Everything that it said, once it is over."""
        await self.process.wait()
        await self._listening
        return self.heard

    async def kill(self) -> list[dict[str, Any]]:
        if self.process.returncode is None:
            self.process.kill()
        return await self.ended()
