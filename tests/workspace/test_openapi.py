"""What `/api/openapi.json` says of the workspace is kept, streams included: they end with their runs."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.core.result import Ok

from tests.billing.test_openapi import try_operation
from tests.workspace.conftest import Installation
from tests.workspace.world import LEASE, Person

EXAMPLES = 6


def operations(document: dict[str, Any]) -> list[Any]:
    schema = schemathesis.openapi.from_dict(document)
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    return [each for each in found if "workspace" in (each.definition.raw.get("tags") or ())]


def things(anna: Person) -> dict[str, str]:
    """A thread with a run that is parked, for there is no money, and a document."""
    thread = anna.thread("chat")
    document = anna.upload(thread, "lease.md", LEASE).json()["id"]
    anna.run(thread, "Hello", "run-1")
    return {"mandateId": anna.mandate.id, "threadId": thread, "documentId": document, "runId": "run-1"}


def test_every_operation_of_the_workspace_keeps_what_the_document_says(house: Installation) -> None:
    anna = house.person("0")
    key = anna.http.headers["authorization"].removeprefix("Bearer ")
    found = operations(house.first.root.get("/api/openapi.json").json())
    assert len(found) >= 13
    problems: list[str] = []
    for operation in found:
        try:
            try_operation(operation, house.first.url, things(anna), examples=EXAMPLES, random_seed=6, key=key)
        except Exception as error:
            problems.append(f"{operation.label}: {error!r} {getattr(error, 'exceptions', '')}")
    assert not problems, "\n\n".join(problems)
