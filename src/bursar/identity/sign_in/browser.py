"""What passes between us and a browser beside pages: cookies, and where a request comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bursar.identity.sign_in import attempts, sessions

CSRF_HEADER: Final = "x-csrf-token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_RETURN: Final = 500
_PAGE_HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    # Not `no-referrer`: then browsers would not say where a form comes from.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Cookies:
    """The two cookies. Behind TLS their names bind them to this host, whatever its neighbours set."""

    public_url: str

    @property
    def is_secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def session(self) -> str:
        return "__Host-bursar_session" if self.is_secure else "bursar_session"

    @property
    def attempt(self) -> str:
        """Binds a sign-in under way to the browser in which it was begun."""
        return "__Host-bursar_sign_in" if self.is_secure else "bursar_sign_in"

    def session_of(self, request: Request) -> str | None:
        return request.cookies.get(self.session)

    def attempt_of(self, request: Request) -> str | None:
        return request.cookies.get(self.attempt)

    def set_session(self, response: Response, text: str) -> None:
        self._set(response, self.session, text, int(sessions.LONGEST.total_seconds()))
        self._set(response, self.attempt, "", 0)

    def set_attempt(self, response: Response, text: str) -> None:
        self._set(response, self.attempt, text, int(attempts.LONGEST.total_seconds()))

    def end_session(self, response: Response) -> None:
        self._set(response, self.session, "", 0)

    def _set(self, response: Response, name: str, value: str, max_age_seconds: int) -> None:
        response.set_cookie(
            name, value, max_age=max_age_seconds, path="/", secure=self.is_secure, httponly=True, samesite="lax"
        )


def is_from_elsewhere(request: Request, public_url: str) -> bool:
    """Whether a browser says that another site's page sent this; programs say nothing."""
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    own = urlsplit(public_url)
    return origin not in (f"{own.scheme}://{own.netloc}", f"{own.scheme}://{request.headers.get('host')}")


def safe_return(path: str | None) -> str:
    """A path of ours to go on to; the start page for anything else."""
    if path is None or len(path) > _LONGEST_RETURN or not path.isprintable() or not path.isascii():
        return "/"
    if not path.startswith("/") or path[1:2] in ("/", "\\") or "\\" in path or " " in path:
        return "/"
    return path


def page_headers() -> dict[str, str]:
    return dict(_PAGE_HEADERS)
