"""Documents of a thread: uploading, listing, deleting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Path, Response, UploadFile
from starlette.requests import Request

from bursar.foundation.problems import Problem
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import as_id
from bursar.identity.wiring import wiring_of
from bursar.workspace import document_store
from bursar.workspace.reading import MOST_BYTES, Unreadable, read_document
from bursar.workspace.routes_threads import THREADS, AtWork, ThreadId, thread_id_of
from bursar.workspace.runs import Whose
from bursar.workspace.texts import DOCUMENT_TROUBLE, DocumentTrouble
from bursar.workspace.threads import find_thread
from bursar.workspace.wire import DocumentAnswer, DocumentsAnswer
from bursar.workspace.wiring import whose

router = APIRouter(tags=["workspace"])
DOCUMENTS: Final = THREADS + "/{threadId}/documents"
MOST_UPLOAD_BYTES: Final = MOST_BYTES + 100_000
"""Of a request that brings a document: the file, and what is around it."""
_ACTION: Final = Action.USE_WORKSPACE
_STATUSES: Final[Mapping[DocumentTrouble, int]] = {
    "document_too_large": 413,
    "document_type": 415,
    "document_unreadable": 422,
    "document_empty": 422,
    "too_many_documents": 409,
}


@router.post(DOCUMENTS, status_code=201, responses=refusals(409, 415))
async def add_document(
    request: Request,
    visitor: AtWork,
    thread_id: ThreadId,
    file: Annotated[
        UploadFile, File(description="Text, Markdown, CSV or PDF; 10 MB and 2,000,000 characters at most.")
    ],
) -> DocumentAnswer:
    """Upload a document into a thread, for its agent to look into."""
    who, found = whose(request, visitor), thread_id_of(thread_id)
    database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
    async with database.as_mandate(mandate_id) as connection:
        await find_thread(connection, mandate_id, who.person.user_id, found)
    try:
        read = await read_document(file.filename or "document", file.content_type, await file.read(MOST_BYTES + 1))
        async with database.as_mandate(mandate_id) as connection:
            await find_thread(connection, mandate_id, who.person.user_id, found)
            document = await document_store.add_document(connection, mandate_id, found, read)
    except Unreadable as error:
        raise _problem(error, who) from error
    return DocumentAnswer.of(document)


@router.get(DOCUMENTS, responses=refusals())
async def list_documents(request: Request, visitor: AtWork, thread_id: ThreadId) -> DocumentsAnswer:
    """A thread's documents, the oldest first."""
    mandate_id, found = visitor.mandate.mandate_id, thread_id_of(thread_id)
    async with wiring_of(request).database.as_mandate(mandate_id) as connection:
        await find_thread(connection, mandate_id, visitor.person.user_id, found)
        documents = await document_store.list_documents(connection, mandate_id, found)
    return DocumentsAnswer(documents=[DocumentAnswer.of(document) for document in documents])


@router.delete(DOCUMENTS + "/{documentId}", status_code=204, responses=refusals())
async def delete_document(
    request: Request,
    visitor: AtWork,
    thread_id: ThreadId,
    document_id: Annotated[str, Path(alias="documentId", json_schema_extra={"format": "uuid"})],
) -> Response:
    """The document is gone; what was answered from it stays."""
    mandate_id, found = visitor.mandate.mandate_id, thread_id_of(thread_id)
    async with wiring_of(request).database.as_mandate(mandate_id) as connection:
        await find_thread(connection, mandate_id, visitor.person.user_id, found)
        await document_store.delete_document(connection, mandate_id, found, as_id(document_id, "document"))
    return Response(status_code=204)


def _problem(error: Unreadable, who: Whose) -> Problem:
    detail = DOCUMENT_TROUBLE[error.trouble][who.language].format(most=error.most)
    extra: dict[str, Any] = {}
    headers = {"content-language": who.language}
    title = "The document was not taken"
    return Problem(_STATUSES[error.trouble], error.trouble, title, detail, "file", extra, headers)
