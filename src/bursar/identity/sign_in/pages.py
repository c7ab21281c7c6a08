"""The tiny pages of sign-in: a question with a button, or what went wrong. No scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from bursar.identity.sign_in.invitations import Invited
from bursar.identity.sign_in.links import Link
from bursar.identity.sign_in.page_texts import TEXTS
from bursar.identity.sign_in.providers import Provider

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center; }
main { max-width: 26rem; padding: 2rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
button { font: inherit; font-weight: 600; width: 100%; margin: 0.5rem 0; padding: 0.7rem 1.2rem; border: 0;
  border-radius: 8px; background: #1f5f4f; color: #fff; cursor: pointer; }
@media (prefers-color-scheme: dark) { button { background: #5aad8d; color: #0b1a14; } }
button:focus-visible, a:focus-visible { outline: 3px solid #f5a623; outline-offset: 2px; }
"""


def question_page(found: Link | Invited, token: str, providers: Sequence[Provider], language: str) -> str:
    """What the link is for, and the buttons that use it. Opening the page uses nothing."""
    texts = TEXTS[language]
    if isinstance(found, Invited):
        lead = texts["invitation"].format(mandate=found.mandate_name, role=texts[found.role])
        button = texts["accept"]
    else:
        lead = texts["operator" if found.purpose == "operator" else "link"]
        button = texts["use"]
    if providers:
        ways = [(f"/auth/start/{each.name}", texts["with"].format(provider=each.title)) for each in providers]
    else:
        ways = [("/auth/link", button)]
    forms = "".join(
        f'<form method="post" action="{escape(action)}"><input type="hidden" name="token" value="{escape(token)}">'
        f'<button type="submit">{escape(label)}</button></form>'
        for action, label in ways
    )
    return _page(texts["sign_in"], f"<p>{escape(lead)}</p>{forms}", language)


def trouble_page(code: str, language: str) -> str:
    """What went wrong, and where to go on."""
    texts = TEXTS[language]
    body = f'<p role="alert">{escape(texts[code])}</p><p><a href="/">{escape(texts["back"])}</a></p>'
    return _page(texts["trouble"], body, language)


def _page(title: str, body: str, language: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body>\n</html>\n"
    )
