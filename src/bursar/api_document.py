"""The management API's OpenAPI document, without a database: `python -m bursar.api_document` prints it.

The types by which the web pages call the API are generated from it (`make docs`).
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from bursar.app import management_api
from bursar.foundation.secrets import Secrets
from bursar.notices.live.hub import LiveHub

_NO_SECRET = "nothing is signed or encrypted with it"


def api_document() -> dict[str, Any]:
    """What `/api/openapi.json` answers. Nothing behind the routes is there, and nothing of it is asked."""
    absent: Any = None
    wiring: Any = SimpleNamespace(public_url="http://127.0.0.1")
    api = management_api(wiring, Secrets([_NO_SECRET]), LiveHub(absent, absent), absent)
    return api.openapi()


if __name__ == "__main__":
    print(json.dumps(api_document(), indent=2, ensure_ascii=False))
