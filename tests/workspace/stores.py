"""Stores of the package `workspace-client`, run by Node as they are written, and asked and told from here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.clients import node_clients

STRIPS_TYPES: Final = 24
"""The oldest Node that is used to run TypeScript."""
PACKAGE: Final = Path(__file__).parents[2] / "web" / "packages" / "workspace-client"
SCRIPT: Final = Path(__file__).parent / "workspace_client.mjs"

State = dict[str, Any]


class Stores:
    """One Node with any number of stores in it."""

    def __init__(self) -> None:
        command = [str(node_clients.node_program(STRIPS_TYPES)), str(SCRIPT), str(PACKAGE / "src" / "index.ts")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._count = 0

    def new(self, url: str, headers: dict[str, str]) -> Store:
        """A store of the thread at `url`."""
        self._count += 1
        name = f"store-{self._count}"
        self.told("create", name, options={"url": url, "headers": headers})
        return Store(self, name)

    def told(self, command: str, name: str, **more: Any) -> State:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, "name": name, **more}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"node ended with {self._process.wait()}"
        answer: State = json.loads(line)
        assert answer["trouble"] is None, answer
        return answer

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate()


class Store:
    """`createWorkspace(…)`, from afar."""

    def __init__(self, stores: Stores, name: str) -> None:
        self._stores = stores
        self._name = name
        self.statuses: list[str] = []
        self.errors: list[State] = []

    def begin(self, does: str, text: str | None = None) -> None:
        """`load`, `send`, `stop`, `resume` or `close`; what becomes of it is waited for by `until`."""
        self._stores.told("begin", self._name, does=does, text=text)

    def until(self, condition: str) -> State:
        """The state, once that is so: JavaScript about `state`."""
        answer = self._stores.told("until", self._name, condition=condition)
        self.statuses, self.errors = answer["statuses"], answer["errors"]
        state: State = answer["state"]
        return state

    def after(self, does: str, text: str | None = None) -> State:
        """The state once everything has come to a standstill."""
        self.begin(does, text)
        return self.until("['idle', 'failed'].includes(state.status) && state.isLoaded && state.retryAt === null")
