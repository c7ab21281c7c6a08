"""A running server, and people who work in it by its routes, as a browser or an AG-UI client does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

MODEL = "demo-1"
LEASE = b"""# Lease

The flat is on the second floor, with a balcony to the south.

The rent is 1250 francs a month, payable in advance.

The notice period is three months, to the end of a quarter.
"""

CONFIG = """
[[upstreams]]
name = "demo"
dialect = "openai"
base_url = "{url}"
models = ["demo-*"]

[[upstreams]]
name = "demo-messages"
dialect = "anthropic"
base_url = "{url}"
models = ["demo-*", "claude-demo"]

[[pricing.models]]
model = "demo-1"
currency = "CHF"
input_per_million = "1.00"
output_per_million = "4.00"
context_window = 128000
max_output_tokens = 16000
reasoning = false

[[pricing.models]]
model = "claude-demo"
currency = "CHF"
input_per_million = "1.00"
output_per_million = "4.00"
context_window = 128000
max_output_tokens = 16000
reasoning = false
"""


def write_config(path: Path, upstream_url: str) -> Path:
    path.write_text(CONFIG.format(url=upstream_url))
    return path


@dataclass(frozen=True)
class Numbered:
    """An event as it came, with its number."""

    number: int
    event: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.event["type"])


@dataclass
class Stream:
    """What came of one request for events; `raw` is the bytes."""

    raw: bytes = b""
    events: list[Numbered] = field(default_factory=list)

    def read(self, chunk: bytes) -> None:
        self.raw += chunk
        whole = self.raw.rpartition(b"\n\n")[0]
        self.events = [_event(block) for block in whole.split(b"\n\n") if block.startswith(b"id: ")]

    @property
    def types(self) -> list[str]:
        return [each.type for each in self.events]

    @property
    def text(self) -> str:
        """All that was written to the person."""
        return "".join(each.event["delta"] for each in self.of("TEXT_MESSAGE_CONTENT"))

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1].event

    def of(self, type_: str) -> list[Numbered]:
        return [each for each in self.events if each.type == type_]

    def custom(self, name: str) -> list[Any]:
        return [each.event["value"] for each in self.of("CUSTOM") if each.event["name"] == name]


def _event(block: bytes) -> Numbered:
    number, data = block.split(b"\n", 1)
    return Numbered(int(number.removeprefix(b"id: ")), json.loads(data.removeprefix(b"data: ")))


@dataclass
class Worker:
    """One server process."""

    url: str
    root: httpx.Client

    @classmethod
    def at(cls, url: str, root_key: str) -> Worker:
        headers = {"authorization": f"Bearer {root_key}"}
        return cls(url, httpx.Client(base_url=url, headers=headers, timeout=60))


@dataclass
class Mandate:
    """A mandate, by the hands of the operator."""

    path: str
    root: httpx.Client

    @property
    def id(self) -> str:
        return self.path.rsplit("/", 1)[1]

    def top_up(self, amount: str, user_id: str | None = None) -> None:
        """The pool, or somebody's wallet."""
        body = {"amount": amount, "reference": "test", **({"userId": user_id} if user_id else {})}
        self.made("top-ups", body, {"Idempotency-Key": str(uuid4())})

    def change(self, settings: dict[str, Any]) -> None:
        """Some of the billing settings."""
        self.root.put(f"{self.path}/billing-settings", json=settings).raise_for_status()

    def made(self, what: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        answer = self.root.post(f"{self.path}/{what}", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def held(self) -> Decimal:
        """Of the pool."""
        pool = self.root.get(f"{self.path}/balance").raise_for_status().json()["accounts"][0]
        return Decimal(pool["held"])

    def wait_for_a_hold(self) -> None:
        deadline = time.monotonic() + 60
        while self.held() == 0:
            assert time.monotonic() < deadline, "nothing is held"
            time.sleep(0.02)

    def charges(self) -> list[dict[str, Any]]:
        """What was charged, oldest first, once nothing is held any more."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.held() != 0:
            time.sleep(0.05)
        rows = self.root.get(f"{self.path}/transfers").raise_for_status().json()["transfers"]
        return [row for row in reversed(rows) if row["kind"] == "CHARGE"]

    def spent(self) -> Decimal:
        return sum((Decimal(row["amount"]) for row in self.charges()), Decimal(0))


def new_mandate(worker: Worker, pool: str, **fields: Any) -> Mandate:
    made = worker.root.post("/api/mandates", json={"name": "Werkstatt AG", "language": "en", **fields})
    mandate = Mandate(f"/api/mandates/{made.raise_for_status().json()['id']}", worker.root)
    # One call may hold all of so small a pool.
    mandate.change({"maxHoldSharePercent": 100})
    if Decimal(pool) > 0:
        mandate.top_up(pool)
    return mandate


@dataclass
class Person:
    """Somebody at work, by an admin key that names them."""

    mandate: Mandate
    user_id: str
    http: httpx.Client
    threads: str

    def thread(self, kind: str = "agent", model: str = MODEL) -> str:
        answer = self.http.post(self.threads, json={"kind": kind, "model": model})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get(self, thread: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"{self.threads}/{thread}").raise_for_status().json()
        return found

    def upload(self, thread: str, name: str, content: bytes, media_type: str = "text/plain") -> httpx.Response:
        return self.http.post(f"{self.threads}/{thread}/documents", files={"file": (name, content, media_type)})

    def run(self, thread: str, text: str, run_id: str | None = None) -> Stream:
        with self.running(thread, text, run_id) as (stream, chunks):
            for _ in chunks:
                pass
        return stream

    @contextmanager
    def running(self, thread: str, text: str, run_id: str | None = None) -> Iterator[tuple[Stream, Iterator[bytes]]]:
        """A run that is read chunk by chunk; what comes is in the stream."""
        message = {"id": str(uuid4()), "role": "user", "content": text}
        body = {"threadId": thread, "runId": run_id or str(uuid4()), "messages": [message]}
        more: dict[str, Any] = {"tools": [], "context": [], "state": {}, "forwardedProps": {}}
        with self.streamed("POST", f"{self.threads}/{thread}/runs", json={**body, **more}) as streamed:
            yield streamed

    def go_on(self, thread: str, run_id: str) -> Stream:
        with self.streamed("POST", f"{self.threads}/{thread}/runs/{run_id}/continue") as (stream, chunks):
            for _ in chunks:
                pass
        return stream

    def follow(self, thread: str, run_id: str, after: int | None = None) -> Stream:
        """The same events again, from a number on."""
        headers = {} if after is None else {"last-event-id": str(after)}
        with self.streamed("GET", f"{self.threads}/{thread}/runs/{run_id}/events", headers=headers) as (stream, chunks):
            for _ in chunks:
                pass
        return stream

    def stop(self, thread: str, run_id: str) -> httpx.Response:
        return self.http.post(f"{self.threads}/{thread}/runs/{run_id}/stop")

    @contextmanager
    def streamed(self, method: str, path: str, **more: Any) -> Iterator[tuple[Stream, Iterator[bytes]]]:
        stream = Stream()
        with self.http.stream(method, path, **more) as answer:
            if answer.status_code != 200:
                answer.read()
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith("text/event-stream")

            def chunks() -> Iterator[bytes]:
                for chunk in answer.iter_raw():
                    stream.read(chunk)
                    yield chunk

            yield stream, chunks()

    def until(self, thread: str, *statuses: str) -> dict[str, Any]:
        """The thread, once its run has one of these statuses."""
        deadline = time.monotonic() + 90
        while True:
            found = self.get(thread)
            if found["run"] is not None and found["run"]["status"] in statuses:
                return found
            assert time.monotonic() < deadline, found["run"]
            time.sleep(0.05)


def new_person(mandate: Mandate, worker: Worker, role: str = "owner", language: str = "en", name: str = "") -> Person:
    """A user, who works on this worker."""
    name = name or f"{role}-{uuid4().hex[:6]}"
    body = {"email": f"{name}@werkstatt.example", "displayName": name, "role": role, "language": language}
    user_id = mandate.made("users", body)["id"]
    key = mandate.made("keys", {"kind": "admin", "userId": user_id, "name": "work"})["key"]
    http = httpx.Client(base_url=worker.url, headers={"authorization": f"Bearer {key}"}, timeout=120)
    return Person(mandate, user_id, http, f"{mandate.path}/threads")
