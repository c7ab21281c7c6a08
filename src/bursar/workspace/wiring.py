"""What the workspace's routes work with: the runs of this worker, and who is asking in which language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from bursar.billing.texts import choose_language
from bursar.foundation.problems import Problem
from bursar.gateway.gateway import Gateway
from bursar.identity.entrance import Visitor
from bursar.workspace.runs import Runs, Whose

_STATE: Final = "workspace"


@dataclass(frozen=True, slots=True)
class Workspace:
    runs: Runs
    gateway: Gateway


def provide(request_state: object, workspace: Workspace) -> None:
    """For whoever composes the application: `app.state` gets it once the gateway is there."""
    setattr(request_state, _STATE, workspace)


def workspace_of(request: Request) -> Workspace:
    """Raises a 404 `Problem` in an application without a gateway: there is no model to talk to."""
    found = getattr(request.app.state, _STATE, None)
    if not isinstance(found, Workspace):
        raise Problem(404, "not_found", "Not found", "No models are served here.")
    return found


def whose(request: Request, visitor: Visitor) -> Whose:
    """The visitor, who is a person, and their language."""
    person, mandate = visitor.person, visitor.mandate
    language = choose_language(request.headers.get("accept-language"), person.language, mandate.language)
    return Whose(mandate, person, language)
