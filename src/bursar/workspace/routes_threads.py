"""Threads: listing, beginning, reading, renaming and deleting one's own; and the models to choose from."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from starlette.requests import Request

from bursar.billing.billing_object import BillingObject
from bursar.billing.refusal import told_since
from bursar.foundation.ids import pool_account_id, wallet_account_id
from bursar.foundation.problems import invalid_field
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, as_id, may
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import Reason
from bursar.workspace import threads
from bursar.workspace.document_store import list_documents
from bursar.workspace.models import offered_model, offered_models
from bursar.workspace.run_store import run_in_progress
from bursar.workspace.threads import Run
from bursar.workspace.wire import (
    DocumentAnswer,
    ModelAnswer,
    ModelsAnswer,
    ThreadAnswer,
    ThreadAsk,
    ThreadChange,
    ThreadPage,
    WholeThreadAnswer,
    message_answer,
)
from bursar.workspace.wiring import workspace_of

router = APIRouter(tags=["workspace"])
THREADS = "/api/mandates/{mandateId}/threads"
AtWork = Annotated[Visitor, Depends(may(Action.USE_WORKSPACE))]
ThreadId = Annotated[str, Path(alias="threadId", description="The thread.", json_schema_extra={"format": "uuid"})]


def thread_id_of(text: str) -> UUID:
    """Raises a 404 `Problem`."""
    return as_id(text, "thread")


@router.get("/api/mandates/{mandateId}/workspace/models", responses=refusals())
async def list_models(request: Request, visitor: AtWork) -> ModelsAnswer:
    """Models that the person may use, with the prices of a call in the mandate's currency."""
    offered = offered_models(workspace_of(request).gateway, visitor.mandate)
    return ModelsAnswer(models=[ModelAnswer.of(model) for model in offered])


@router.get(THREADS, responses=refusals())
async def list_threads(
    request: Request,
    visitor: AtWork,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ThreadPage:
    """One's own threads, the latest used first."""
    database, mandate = wiring_of(request).database, visitor.mandate
    workspace_of(request).runs.warm_up()
    page = await threads.list_threads(database, mandate.mandate_id, visitor.person.user_id, cursor=cursor, limit=limit)
    return ThreadPage(
        threads=[ThreadAnswer.of(thread, mandate.currency) for thread in page.items], next_cursor=page.next_cursor
    )


@router.post(THREADS, status_code=201, responses=refusals())
async def add_thread(request: Request, visitor: AtWork, ask: ThreadAsk) -> ThreadAnswer:
    """A thread with an agent, which has documents and tools, or a plain chat."""
    _check_model(request, visitor, ask.model)
    thread = await threads.add_thread(
        wiring_of(request).database,
        visitor.mandate.mandate_id,
        visitor.person.user_id,
        title=ask.title or "",
        kind=ask.kind,
        model=ask.model,
    )
    return ThreadAnswer.of(thread, visitor.mandate.currency)


@router.get(THREADS + "/{threadId}", responses=refusals())
async def get_thread(request: Request, visitor: AtWork, thread_id: ThreadId) -> WholeThreadAnswer:
    """A thread with its messages and documents."""
    mandate_id = visitor.mandate.mandate_id
    async with wiring_of(request).database.as_mandate(mandate_id) as connection:
        thread = await threads.find_thread(connection, mandate_id, visitor.person.user_id, thread_id_of(thread_id))
        messages = await threads.dated_messages(connection, mandate_id, thread.thread_id)
        documents = await list_documents(connection, mandate_id, thread.thread_id)
    thread = replace(thread, run=await _with_news(request, visitor, thread.run))
    return WholeThreadAnswer(
        **ThreadAnswer.fields_of(thread, visitor.mandate.currency),
        messages=[message_answer(message) for message in messages],
        documents=[DocumentAnswer.of(document) for document in documents],
    )


@router.patch(THREADS + "/{threadId}", responses=refusals())
async def change_thread(request: Request, visitor: AtWork, thread_id: ThreadId, change: ThreadChange) -> ThreadAnswer:
    """Another title, or another model for what is asked from now on."""
    found = thread_id_of(thread_id)
    if change.model is not None:
        _check_model(request, visitor, change.model)
    thread = await threads.change_thread(
        wiring_of(request).database,
        visitor.mandate.mandate_id,
        visitor.person.user_id,
        found,
        title=change.title,
        model=change.model,
    )
    return ThreadAnswer.of(thread, visitor.mandate.currency)


@router.delete(THREADS + "/{threadId}", status_code=204, responses=refusals(409))
async def delete_thread(request: Request, visitor: AtWork, thread_id: ThreadId) -> Response:
    """With its messages, documents and runs. What calls have cost stays in the journal."""
    mandate_id, user_id, found = visitor.mandate.mandate_id, visitor.person.user_id, thread_id_of(thread_id)
    async with wiring_of(request).database.as_mandate(mandate_id) as connection:
        thread = await threads.find_thread(connection, mandate_id, user_id, found)
        if thread.run is not None and thread.run.status == "RUNNING":
            raise run_in_progress()
        await threads.delete_thread(connection, mandate_id, user_id, found)
    return Response(status_code=204)


async def _with_news(request: Request, visitor: Visitor, run: Run | None) -> Run | None:
    """A run that parked while finance was still being told, once they were."""
    if run is None or run.billing is None or run.billing.get("notifiedAt") is not None:
        return run
    billing = BillingObject.from_client_dict(run.billing)
    if billing.reason is not Reason.BALANCE_EXHAUSTED:
        return run
    mandate = visitor.mandate
    pays = pool_account_id(mandate.mandate_id) if billing.payer == "pool" else wallet_account_id(visitor.person.user_id)
    told_at = await wiring_of(request).told_at(mandate.mandate_id, pays)
    if told_at is None:
        return run
    return replace(run, billing=told_since(billing, told_at, mandate.time_zone).to_client_dict())


def _check_model(request: Request, visitor: Visitor, model: str) -> None:
    """Raises a 422 `Problem`."""
    if offered_model(workspace_of(request).gateway, visitor.mandate, model) is None:
        raise invalid_field("model", "is not among the models that may be used here")
