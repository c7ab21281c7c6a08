"""`python -m tests.workspace.recording`: records streams of a real server for the tests of `workspace-client`.

Each file is what a client got, byte by byte; of a run that parked and went on, the stream that parked and the one that
went on follow each other. Ids differ from one recording to the next, what happens does not.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Final

from tests.support.demo_upstream import shared_demo_upstream
from tests.support.serving import data_directory, serving
from tests.workspace.world import LEASE, Person, Worker, new_mandate, new_person, write_config

TARGET: Final = Path(__file__).parents[2] / "web" / "packages" / "workspace-client" / "tests" / "recorded"


def record_agent(worker: Worker) -> bytes:
    anna = new_person(new_mandate(worker, "1.00"), worker)
    thread = anna.thread()
    assert anna.upload(thread, "lease.md", LEASE).status_code == 201
    return anna.run(thread, "What is the rent a month?", "run-agent").raw


def record_chat(worker: Worker) -> bytes:
    anna = new_person(new_mandate(worker, "1.00"), worker)
    return anna.run(anna.thread("chat"), "Hello, who are you?", "run-chat").raw


def record_parked(worker: Worker) -> tuple[bytes, bytes]:
    """In mid-answer, after a step with a tool; then a top-up, and the rest."""
    mandate = new_mandate(worker, "0.0065")
    anna = new_person(mandate, worker)
    thread = anna.thread()
    assert anna.upload(thread, "lease.md", LEASE).status_code == 201
    parked = anna.run(thread, "List what is there, then go on [[tools=list_documents tokens=1500]]", "run-parked")
    assert parked.last["type"] == "RUN_ERROR", parked.last
    assert parked.text, parked.events
    mandate.top_up("1.00")
    return parked.raw, anna.go_on(thread, "run-parked").raw


def record_refused(worker: Worker) -> bytes:
    """No money from the beginning, told to a member in German."""
    beat = new_person(new_mandate(worker, "0"), worker, role="member", language="de")
    return beat.run(beat.thread("chat"), "Hallo", "run-refused").raw


def record_stopped(worker: Worker) -> bytes:
    anna = new_person(new_mandate(worker, "1.00"), worker)
    thread = anna.thread("chat")
    with anna.running(thread, "A story [[tokens=3000 chunk_tokens=5 chunk_delay_ms=20]]", "run-stopped") as begun:
        stream, chunks = begun
        for _ in chunks:
            if len(stream.of("TEXT_MESSAGE_CONTENT")) == 3:
                assert anna.stop(thread, "run-stopped").status_code == 202
    return stream.raw


def record_held(worker: Worker) -> bytes:
    """The money is there, but another call of the same pool holds it."""
    mandate = new_mandate(worker, "0.0200")
    anna = new_person(mandate, worker)
    with holding(anna, "0.0195"):
        return anna.run(anna.thread("chat"), "Hello", "run-held").raw


@contextlib.contextmanager
def holding(person: Person, amount: str):  # type: ignore[no-untyped-def]
    """All but nothing of the pool is held by somebody's own work meanwhile."""
    root = person.mandate.root
    hold = person.mandate.made("holds", {"minimum": amount, "desired": amount, "ttlSeconds": 120})
    try:
        yield
    finally:
        root.post(f"{person.mandate.path}/holds/{hold['id']}/release").raise_for_status()


def record_all(worker: Worker) -> dict[str, bytes]:
    parked, continued = record_parked(worker)
    return {
        "agent-with-document.sse": record_agent(worker),
        "chat.sse": record_chat(worker),
        "parked-in-mid-answer.sse": parked,
        "continued.sse": continued,
        "parked-and-continued.sse": parked + continued,
        "refused-at-once-de.sse": record_refused(worker),
        "stopped.sse": record_stopped(worker),
        "funds-held.sse": record_held(worker),
    }


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    with (
        shared_demo_upstream(faults=True) as upstream,
        tempfile.TemporaryDirectory() as settings,
        data_directory() as data,
        serving(
            "--data-dir", str(data), "--config", str(write_config(Path(settings) / "bursar.toml", upstream))
        ) as served,
    ):
        for name, raw in record_all(Worker.at(served.url, served.root_key)).items():
            (TARGET / name).write_bytes(raw)
            print(f"{name}: {raw.count(b'data: ')} events")


if __name__ == "__main__":
    main()
