"""The management API's OpenAPI document, without a database: `python -m bursar.api_document` prints it.

The types by which the web pages call the API are generated from it (`make docs`).
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI

from bursar.app import management_api
from bursar.foundation.secrets import Secrets
from bursar.notices.live.hub import LiveHub

_NO_SECRET = "nothing is signed or encrypted with it"


def api_document() -> dict[str, Any]:
    """What `/api/openapi.json` answers."""
    return api_without_a_database().openapi()


def api_without_a_database() -> FastAPI:
    """All routes, to be described: nothing behind them is there."""
    absent: Any = None
    wiring: Any = SimpleNamespace(public_url="http://127.0.0.1")
    return management_api(wiring, Secrets([_NO_SECRET]), LiveHub(absent, absent), absent)


if __name__ == "__main__":
    print(json.dumps(api_document(), indent=2, ensure_ascii=False))
