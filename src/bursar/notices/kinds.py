"""What can be told, as a table: by what it begins, who hears of it, how often, by what it ends, what is said. Pure.

A further notice is a row here, texts under its prefix in the catalogues, and, if it has another trigger, a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bursar.ledger.model import Reason


class Trigger(StrEnum):
    REFUSAL = "REFUSAL"
    """A denial, in its own transaction."""
    LEVEL = "LEVEL"
    """A figure in the database has crossed a line: looked at every few seconds."""
    REQUEST = "REQUEST"
    """Somebody asks for it."""
    DECISION = "DECISION"
    """Somebody has decided a request."""
    MONEY_BACK = "MONEY_BACK"
    """A shortage has ended of which somebody was told."""


class Audience(StrEnum):
    FINANCE = "FINANCE"
    """The addresses in `notifyEmails`; in the application owners and finance."""
    PAYER = "PAYER"
    """Whoever can top the account up: for a wallet its user, for the pool finance."""
    CAP_OWNER = "CAP_OWNER"
    """Whoever the limit is on: a user, a key's user; finance for a mandate's or a model's."""
    TOLD = "TOLD"
    """Whoever was told of the shortage; in the application the users who were refused."""
    ASKER = "ASKER"
    """Whoever asked, in their own language."""


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """One kind of notice. Slots are per mandate, kind and account (or limit)."""

    name: str
    """As stored; never changes."""
    texts: str
    """Prefix of its keys in the catalogues."""
    trigger: Trigger
    audience: Audience
    repeats: bool
    """Whether it is told again after each cooldown while it lasts; else it is latched until it has ended."""
    ends: str
    """What ends it, in words: the rule is in `rules` or `levels`."""
    reasons: frozenset[Reason] = frozenset()
    """The refusals that count towards it and claim its slot."""


EXHAUSTED: Final = NoticeKind(
    "EXHAUSTED",
    "exhausted",
    Trigger.REFUSAL,
    Audience.FINANCE,
    repeats=True,
    ends="money coming in, or terms under which the last request would pass",
    reasons=frozenset({Reason.BALANCE_EXHAUSTED}),
)
"""An oversized request or held funds are no alarm (MONEY.md, notices 1)."""
FUNDED_AGAIN: Final = NoticeKind(
    "FUNDED_AGAIN", "again", Trigger.MONEY_BACK, Audience.TOLD, repeats=False, ends="being told, or another shortage"
)
BALANCE_LOW: Final = NoticeKind(
    "BALANCE_LOW", "low", Trigger.LEVEL, Audience.PAYER, repeats=False, ends="5 % above every threshold again"
)
RUNNING_OUT: Final = NoticeKind(
    "RUNNING_OUT", "ending", Trigger.LEVEL, Audience.PAYER, repeats=False, ends="a quarter more time than the bound"
)
LIMIT_NEAR: Final = NoticeKind(
    "LIMIT_NEAR", "near", Trigger.LEVEL, Audience.CAP_OWNER, repeats=False, ends="5 points below, or the next period"
)
LIMIT_REACHED: Final = NoticeKind(
    "LIMIT_REACHED", "reached", Trigger.LEVEL, Audience.CAP_OWNER, repeats=False, ends="a higher cap, the next period"
)
CREDIT_EXPIRING: Final = NoticeKind(
    "CREDIT_EXPIRING",
    "expiring",
    Trigger.LEVEL,
    Audience.FINANCE,
    repeats=False,
    ends="no voucher left that expires",
)
TOP_UP_REQUESTED: Final = NoticeKind(
    "TOP_UP_REQUESTED", "asked", Trigger.REQUEST, Audience.FINANCE, repeats=True, ends="the last request being decided"
)
TOP_UP_APPROVED: Final = NoticeKind(
    "TOP_UP_APPROVED", "approved", Trigger.DECISION, Audience.ASKER, repeats=False, ends="being told"
)
TOP_UP_DECLINED: Final = NoticeKind(
    "TOP_UP_DECLINED", "declined", Trigger.DECISION, Audience.ASKER, repeats=False, ends="being told"
)
TEST: Final = NoticeKind("TEST", "test", Trigger.REQUEST, Audience.TOLD, repeats=False, ends="being told")

KINDS: Final[Mapping[str, NoticeKind]] = {
    kind.name: kind
    for kind in (
        EXHAUSTED,
        FUNDED_AGAIN,
        BALANCE_LOW,
        RUNNING_OUT,
        LIMIT_NEAR,
        LIMIT_REACHED,
        CREDIT_EXPIRING,
        TOP_UP_REQUESTED,
        TOP_UP_APPROVED,
        TOP_UP_DECLINED,
        TEST,
    )
}
TOLD_ONCE: Final = frozenset({FUNDED_AGAIN.name, TOP_UP_APPROVED.name, TOP_UP_DECLINED.name})
"""What has no second occasion: nothing will happen by which it would be told anew."""
REFUSAL_KINDS: Final = tuple(kind for kind in KINDS.values() if kind.reasons)
