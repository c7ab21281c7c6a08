"""What can be told, as a table: by what it begins, and what is said. Pure.

A further notice is a row here, texts under its prefix in the catalogues, and, if it has another trigger, a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bursar.ledger.model import Reason


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """One kind of notice. Slots are per mandate, kind and account."""

    name: str
    """As stored; never changes."""
    reasons: frozenset[Reason]
    """The refusals that count towards it and claim its slot."""
    texts: str
    """Prefix of its keys in the catalogues."""


EXHAUSTED: Final = NoticeKind("EXHAUSTED", frozenset({Reason.BALANCE_EXHAUSTED}), "exhausted")
"""An oversized request or held funds are no alarm (MONEY.md, notices 1)."""

KINDS: Final[Mapping[str, NoticeKind]] = {kind.name: kind for kind in (EXHAUSTED,)}
