"""What a page of ours may load and do, as headers. Pure.

Scripts and style sheets come from here or carry the document's nonce; nothing is loaded from anywhere else, so that no
text that a model writes can make a page call home. Text becomes HTML or a script only by the one policy that the pages
install, which lets no markup pass (`web/src/shared/no-markup.ts`). Nobody frames a page.
"""

from __future__ import annotations

from typing import Final

NONCE_PLACEHOLDER: Final = "BURSAR_CSP_NONCE"
"""What Vite writes where a nonce belongs (`web/vite.config.ts`)."""

_DIRECTIVES: Final[tuple[tuple[str, str], ...]] = (
    ("default-src", "'none'"),
    ("script-src", "'self' 'nonce-{nonce}'"),
    ("style-src", "'self' 'nonce-{nonce}'"),
    ("img-src", "'self' data:"),
    ("font-src", "'self'"),
    ("connect-src", "'self'"),
    ("manifest-src", "'self'"),
    ("form-action", "'self'"),
    ("base-uri", "'none'"),
    ("frame-ancestors", "'none'"),
    ("require-trusted-types-for", "'script'"),
    ("trusted-types", "default"),
)
_POLICY: Final = "; ".join(f"{name} {sources}" for name, sources in _DIRECTIVES)
_UNUSED_FEATURES: Final = (
    "accelerometer",
    "browsing-topics",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "serial",
    "usb",
)

ASSET_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("cross-origin-resource-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
)
_DOCUMENT_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    *ASSET_HEADERS,
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", ", ".join(f"{feature}=()" for feature in _UNUSED_FEATURES)),
    ("referrer-policy", "same-origin"),
)


def document_headers(nonce: str) -> dict[str, str]:
    """For a document whose scripts and style sheets carry `nonce`."""
    return {**dict(_DOCUMENT_HEADERS), "content-security-policy": _POLICY.format(nonce=nonce)}
