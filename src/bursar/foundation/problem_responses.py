"""Problems as HTTP responses: exception handlers for Starlette and FastAPI applications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bursar.foundation.logs import current_request_id
from bursar.foundation.money import AmountError
from bursar.foundation.problem_texts import form_error, in_german, wants_german
from bursar.foundation.problems import PROBLEM_JSON, Problem, invalid_field

_log = structlog.get_logger(__name__)


def problem_response(problem: Problem) -> Response:
    """The response, with `x-request-id` where a request id is known."""
    headers = dict(problem.headers)
    if request_id := current_request_id():
        headers.setdefault("x-request-id", request_id)
    return Response(orjson.dumps(problem.to_body()), problem.status, headers, PROBLEM_JSON)


def install_problem_handlers(app: Starlette) -> None:
    """Answer every refusal and fault of `app` as a problem. Faults are logged and tell the caller nothing inside."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(AmountError, _on_amount)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(Exception, _on_fault)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(_in_language(request, error))


async def _on_amount(request: Request, error: Exception) -> Response:
    assert isinstance(error, AmountError)
    return problem_response(_in_language(request, invalid_field(error.field, error.message)))


def _in_language(request: Request, problem: Problem) -> Problem:
    """What is wrong with a field, in German for whoever asks for it; everything else is said by its room."""
    if problem.code != "invalid_request" or problem.field is None:
        return problem
    if not wants_german(request.headers.get("accept-language")):
        return problem
    message = in_german(problem.detail.removeprefix(f"{problem.field}: "))
    said = Problem(
        problem.status,
        problem.code,
        "Die Anfrage ist nicht gültig",
        f"{problem.field}: {message}",
        problem.field,
        headers={**problem.headers, "content-language": "de"},
    )
    errors: list[dict[str, str]] = problem.extra.get("errors", [])  # type: ignore[assignment]
    said.extra = {**problem.extra}
    if errors:
        said.extra["errors"] = [{**each, "message": in_german(each["message"])} for each in errors]
    return said


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    code = title.lower().replace(" ", "_").replace("-", "_")
    problem = Problem(error.status_code, code, title, str(error.detail), headers=error.headers or {})
    return problem_response(problem)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(_in_language(request, validation_problem(error.errors())))


def validation_problem(errors: Sequence[Any]) -> Problem:
    """400 for a body that is no JSON, 422 otherwise; names the first offending field and lists all of them."""
    found = [{"field": _field(error), "message": _message(error)} for error in errors]
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(400, "invalid_json", "The body is not valid JSON", found[0]["message"], "body")
    problem = invalid_field(found[0]["field"], found[0]["message"])
    problem.extra["errors"] = found
    return problem


def _message(error: Mapping[str, Any]) -> str:
    return form_error(error["type"], str(error["msg"]), error.get("ctx") or {})


def _field(error: Mapping[str, Any]) -> str:
    """`("body", "users", 0, "email")` is `users[0].email`; a query parameter or header is its name."""
    place, *path = error["loc"] or ("body",)
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or str(place)


async def _on_fault(request: Request, error: Exception) -> Response:
    _log.error("request_failed", path=request.url.path, method=request.method, exc_info=error)
    return problem_response(
        Problem(500, "internal_error", "Something is broken here", "The fault was logged with this request's id.")
    )
