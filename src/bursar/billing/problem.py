"""A refusal over HTTP as far as it is the same on every surface: status, headers, and the RFC 9457 problem. Pure.

CONTRACT section 4. The bodies of the OpenAI and Anthropic routes are the dialects'; `http_refusal` gives them what
they are made of.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from bursar.billing.billing_object import BillingObject
from bursar.billing.models import Language
from bursar.billing.texts import CATALOGUES
from bursar.foundation.problems import PROBLEM_JSON, Problem

RefusalCode = Literal["insufficient_balance", "funds_held"]
_TITLE_KEYS: Final[dict[RefusalCode, str]] = {"insufficient_balance": "title.short", "funds_held": "title.held"}


class HttpRefusal(NamedTuple):
    """What a dialect writes its body from."""

    status: Literal[402, 429]
    code: RefusalCode
    message: str
    """In the reader's language."""
    headers: dict[str, str]
    """Without a content type."""
    billing: dict[str, Any]


class ProblemAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


def http_refusal(billing: BillingObject, language: Language) -> HttpRefusal:
    """Status, headers, code and text of a refusal, whatever the dialect.

    A 402 says `x-should-retry: false` and never `Retry-After`; held funds are a 429 with `Retry-After` and without
    `x-should-retry`, because official clients retry a 429 by themselves.
    """
    headers = {"x-request-id": billing.request_id} if billing.request_id else {}
    headers["content-language"] = language
    code: RefusalCode
    if billing.http_status == 429:
        code = "funds_held"
        headers["retry-after"] = str(billing.retry_after_seconds or 1)
    else:
        code = "insufficient_balance"
        headers["x-should-retry"] = "false"
    return HttpRefusal(billing.http_status, code, billing.message(language), headers, billing.to_client_dict())


def refusal_problem(billing: BillingObject, language: Language) -> Problem:
    """The refusal as management and workspace routes raise it (`application/problem+json`)."""
    refusal = http_refusal(billing, language)
    return Problem(
        refusal.status,
        refusal.code,
        CATALOGUES[language][_TITLE_KEYS[refusal.code]],
        refusal.message,
        extra={"billing": refusal.billing},
        headers=refusal.headers,
    )


def refusal_answer(billing: BillingObject, language: Language) -> ProblemAnswer:
    """The same as status, headers and body, for code that writes its own responses."""
    problem = refusal_problem(billing, language)
    return ProblemAnswer(problem.status, {**problem.headers, "content-type": PROBLEM_JSON}, problem.to_body())
