"""`/auth/…`: what browsers open on the way in, and the way out."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bursar.foundation.problems import Problem
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import open_to_all
from bursar.identity.sign_in.browser import Cookies, is_from_elsewhere, page_headers, safe_return
from bursar.identity.sign_in.caller import SignedIn, sign_in_of
from bursar.identity.sign_in.desk import Arrival, Refused, SignIn
from bursar.identity.sign_in.page_texts import language_of
from bursar.identity.sign_in.pages import question_page, trouble_page
from bursar.identity.sign_in.rates import network_of
from bursar.identity.sign_in.sessions import end_all_sessions, end_session
from bursar.identity.wire import Answer, Ask

router = APIRouter(tags=["sign-in"])
_OPEN: Final = [Depends(open_to_all(Action.SIGN_IN))]
_MOST_FORM_BYTES: Final = 10_000


class ProviderAnswer(Answer):
    name: str
    title: str
    start_url: str


class WaysAnswer(Answer):
    providers: list[ProviderAnswer]
    by_mail: bool
    """Whether a link can be asked for: where there is no provider."""


class LinkRequest(Ask):
    email: str


@router.get("/auth/providers", responses=refusals(), dependencies=_OPEN)
async def list_providers(request: Request) -> WaysAnswer:
    """The ways to sign in."""
    sign_in = sign_in_of(request)
    return WaysAnswer(
        providers=[
            ProviderAnswer(name=each.name, title=each.title, start_url=f"/auth/start/{each.name}")
            for each in sign_in.providers
        ],
        by_mail=not sign_in.providers,
    )


@router.get("/auth/start/{provider}", include_in_schema=False, dependencies=_OPEN)
async def start(request: Request, provider: str) -> Response:
    """To the provider; `returnTo` is a path of ours to come back to."""
    return await _depart(request, provider, safe_return(request.query_params.get("returnTo")), None)


@router.post("/auth/start/{provider}", include_in_schema=False, dependencies=_OPEN)
async def start_with_link(request: Request, provider: str) -> Response:
    """To the provider, to accept an invitation by signing in there."""
    if is_from_elsewhere(request, sign_in_of(request).public_url):
        return _trouble(request, Refused("elsewhere", 403))
    form = await _form(request)
    return await _depart(request, provider, safe_return(form.get("returnTo")), form.get("token"))


async def _depart(request: Request, provider: str, return_to: str, one_time: str | None) -> Response:
    sign_in = sign_in_of(request)
    cookies = Cookies(sign_in.public_url)
    leaving = sign_in.depart(
        provider,
        return_to=return_to,
        one_time=one_time,
        browser=cookies.attempt_of(request),
        from_address=_address(request),
    )
    departure = await _or_refused(leaving)
    if isinstance(departure, Refused):
        return _trouble(request, departure)
    response = RedirectResponse(departure.url, 303, page_headers())
    cookies.set_attempt(response, departure.browser)
    return response


@router.get("/auth/callback/{provider}", include_in_schema=False, dependencies=_OPEN)
async def callback(request: Request, provider: str) -> Response:
    """Back from the provider."""
    sign_in = sign_in_of(request)
    cookies = Cookies(sign_in.public_url)
    if len(request.query_params.multi_items()) != len(request.query_params):
        return _trouble(request, Refused("start_again", 400))
    arriving = sign_in.come_back(
        provider,
        dict(request.query_params),
        browser=cookies.attempt_of(request),
        former=cookies.session_of(request),
        from_address=_address(request),
    )
    return _arrived(request, sign_in, await _or_refused(arriving))


@router.get("/auth/link", include_in_schema=False, dependencies=_OPEN)
async def show_link(request: Request) -> Response:
    """A page with a button: whoever follows links to look at them (mail scanners do) uses nothing up."""
    sign_in = sign_in_of(request)
    token = request.query_params.get("token", "")
    found = await _or_refused(sign_in.peek(token, from_address=_address(request)))
    if isinstance(found, Refused):
        return _trouble(request, found)
    page = question_page(found, token, sign_in.providers, _language(request))
    return HTMLResponse(page, headers=page_headers())


@router.post("/auth/link", include_in_schema=False, dependencies=_OPEN)
async def use_link(request: Request) -> Response:
    """Signs in by a link, once."""
    sign_in = sign_in_of(request)
    if is_from_elsewhere(request, sign_in.public_url):
        return _trouble(request, Refused("elsewhere", 403))
    form = await _form(request)
    arriving = sign_in.sign_in_by_link(
        form.get("token", ""),
        former=Cookies(sign_in.public_url).session_of(request),
        from_address=_address(request),
    )
    return _arrived(request, sign_in, await _or_refused(arriving))


@router.post("/auth/link-requests", status_code=202, responses=refusals(429), dependencies=_OPEN)
async def request_link(request: Request, body: LinkRequest) -> None:
    """Mails a link to an address that a user has; the answer is the same for any address."""
    sign_in = sign_in_of(request)
    if is_from_elsewhere(request, sign_in.public_url):
        raise Problem(403, "cross_site", "Not from here", "A link is asked for on Bursar's own pages only.")
    try:
        await sign_in.request_link(body.email, from_address=_address(request))
    except Refused as error:
        raise Problem(404, "not_found", "Not found", "Sign in with a provider.") from error


@router.post("/auth/sign-out", status_code=204, responses=refusals())
async def sign_out(request: Request, response: Response, session: SignedIn) -> None:
    """Ends this session."""
    sign_in = sign_in_of(request)
    async with sign_in.database.as_operator() as connection:
        await end_session(connection, session.text)
    Cookies(sign_in.public_url).end_session(response)


@router.post("/auth/sign-out-everywhere", status_code=204, responses=refusals())
async def sign_out_everywhere(request: Request, response: Response, session: SignedIn) -> None:
    """Ends all sessions of whoever is signed in, on all devices, at once."""
    sign_in = sign_in_of(request)
    async with sign_in.database.as_operator() as connection:
        await end_all_sessions(connection, session.identity_id)
    Cookies(sign_in.public_url).end_session(response)


# --- within ----------------------------------------------------------------------------------------------------------


async def _or_refused(attempt: Awaitable[Any]) -> Any:
    """What is awaited, or why not: a browser gets a page, not a problem's JSON."""
    try:
        return await attempt
    except Refused as error:
        return error
    except Problem as error:
        if error.status != 429:
            raise
        refused = Refused("too_many_attempts", 429)
        refused.__cause__ = error
        return refused


def _arrived(request: Request, sign_in: SignIn, arrival: Arrival | Refused) -> Response:
    if isinstance(arrival, Refused):
        return _trouble(request, arrival)
    response = RedirectResponse(arrival.return_to, 303, page_headers())
    Cookies(sign_in.public_url).set_session(response, arrival.session)
    return response


def _trouble(request: Request, refused: Refused) -> Response:
    headers = page_headers()
    if isinstance(refused.__cause__, Problem):
        headers.update(refused.__cause__.headers)
    return HTMLResponse(trouble_page(refused.code, _language(request)), refused.status, headers)


def _language(request: Request) -> str:
    return language_of(request.headers.get("accept-language"))


def _address(request: Request) -> str:
    return network_of(request.client.host if request.client is not None else None)


async def _form(request: Request) -> dict[str, str]:
    body = await request.body()
    if len(body) > _MOST_FORM_BYTES:
        raise HTTPException(413, "The form is too large.")
    fields = parse_qs(body.decode("ascii", "replace"), max_num_fields=10)
    return {name: values[0] for name, values in fields.items()}
