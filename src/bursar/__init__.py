"""Bursar: a prepaid-budget gateway for AI. Every call is paid, before it runs, by a definite payer.

`from bursar import Bursar, InsufficientBalance` is all that an application needs to charge its own AI work. The names
are loaded when they are first used, so that `import bursar` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bursar.billing.billing_object import InsufficientBalance as InsufficientBalance
    from bursar.client import Bursar as Bursar
    from bursar.client import BursarError as BursarError

_HOMES: Final = {
    "Bursar": "bursar.client",
    "BursarError": "bursar.client",
    "InsufficientBalance": "bursar.billing.billing_object",
}

__all__ = ["Bursar", "BursarError", "InsufficientBalance"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
