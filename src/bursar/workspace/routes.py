"""The routes of this room, as one router."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter

from bursar.workspace import routes_documents, routes_runs, routes_threads

BODY_LIMITS: Final = ((re.compile(r"/api/mandates/[^/]+/threads/[^/]+/documents"), routes_documents.MOST_UPLOAD_BYTES),)

router: Final = APIRouter()
for _part in (routes_threads, routes_documents, routes_runs):
    router.include_router(_part.router)
