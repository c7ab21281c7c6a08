"""Who may do what: one table of ranks and actions, used by every management route. Pure.

A rank is what somebody is in a mandate, or the operator of the installation. An admin key that names no user is as good
as an owner; one that names a user has that user's rank. A service key manages nothing but the holds of its own work.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from bursar.foundation.problems import Problem
from bursar.identity.principal import Caller

Rank = Literal["operator", "owner", "finance", "member", "service"]
RANKS: Final[tuple[Rank, ...]] = ("operator", "owner", "finance", "member", "service")
Reach = Literal["all", "own"]
"""How far an action goes: over the whole mandate, or what belongs to oneself."""


class Action(StrEnum):
    CREATE_MANDATE = "create mandates"
    LIST_MANDATES = "list mandates"
    READ_MANDATE = "read the mandate"
    RENAME_MANDATE = "rename the mandate, set its language and time zone"
    SET_MANDATE_STATUS = "suspend, close or reopen the mandate"
    READ_SETTINGS = "read the billing settings"
    CHANGE_NOTICES = "change whom to tell about money, and when"
    CHANGE_TERMS = "change what the mandate pays and owes"
    READ_USERS = "list users"
    CHANGE_USERS = "add, change and delete users"
    READ_KEYS = "list keys"
    CHANGE_USER_KEYS = "create, rotate and revoke user keys"
    CHANGE_MANDATE_KEYS = "create, rotate and revoke service and admin keys"
    MAKE_MONEY = "post top-ups, corrections and refunds"
    ISSUE_VOUCHERS = "make, list and revoke vouchers"
    REDEEM_VOUCHERS = "redeem vouchers"
    PAY_ONLINE = "pay online, and see one's payments"
    MOVE_MONEY = "move money between pool and wallets"
    READ_BALANCE = "read balances"
    READ_JOURNAL = "read transfers and usage"
    READ_STATEMENTS = "read statements and receipts"
    READ_CLOSING = "see what is left when the mandate closes"
    READ_HOLDS = "list holds"
    HOLD_MONEY = "hold money, and settle it, by API"
    READ_LIMITS = "list limits"
    CHANGE_LIMITS = "set and delete limits"
    READ_NOTICES = "see which notices went to whom"
    READ_AUDIT = "read the audit log"
    READ_OPERATOR_AUDIT = "read the installation's audit log"
    READ_INSTALLATION = "see prices and upstreams as configured"
    VERIFY_BOOKS = "have the books verified"
    READ_ALERTS = "see what operators are told"
    READ_OPERATORS = "list the installation's operators"
    CHANGE_OPERATORS = "add and remove operators"
    USE_WORKSPACE = "work in the workspace: one's own threads, documents and runs"
    READ_INBOX = "read one's own inbox, ask for a top-up"
    READ_TOP_UP_REQUESTS = "see who has asked for a top-up"
    DECIDE_TOP_UP_REQUESTS = "approve or decline requests for a top-up"
    OWN_SESSION = "see one's session, choose a language, sign out"
    SIGN_IN = "sign in, and use the links of mails"
    TELL_PAYMENT = "tell of a payment, signed by the payment provider"
    READ_DESCRIPTION = "read the description of this API"


_OPERATOR: Final[Mapping[Rank, Reach]] = {"operator": "all"}
_OWNER: Final[Mapping[Rank, Reach]] = {**_OPERATOR, "owner": "all"}
_FINANCE: Final[Mapping[Rank, Reach]] = {**_OWNER, "finance": "all"}
_EVERYBODY_OWN: Final[Mapping[Rank, Reach]] = {**_FINANCE, "member": "own"}
_PEOPLE_OWN: Final[Mapping[Rank, Reach]] = {"owner": "own", "finance": "own", "member": "own"}
_ANYBODY: Final[Mapping[Rank, Reach]] = dict.fromkeys(RANKS, "all")

MAY: Final[Mapping[Action, Mapping[Rank, Reach]]] = {
    Action.CREATE_MANDATE: _OPERATOR,
    Action.LIST_MANDATES: _OPERATOR,
    Action.READ_MANDATE: _OWNER,
    Action.RENAME_MANDATE: _OWNER,
    Action.SET_MANDATE_STATUS: _OPERATOR,
    Action.READ_SETTINGS: _FINANCE,
    Action.CHANGE_NOTICES: _FINANCE,
    Action.CHANGE_TERMS: _OPERATOR,
    Action.READ_USERS: _OWNER,
    Action.CHANGE_USERS: _OWNER,
    Action.READ_KEYS: {**_OWNER, "finance": "own", "member": "own"},
    Action.CHANGE_USER_KEYS: {**_OWNER, "finance": "own", "member": "own"},
    Action.CHANGE_MANDATE_KEYS: _OWNER,
    Action.MAKE_MONEY: _OPERATOR,
    Action.ISSUE_VOUCHERS: _OPERATOR,
    Action.REDEEM_VOUCHERS: _EVERYBODY_OWN,
    Action.PAY_ONLINE: _EVERYBODY_OWN,
    Action.MOVE_MONEY: _FINANCE,
    Action.READ_BALANCE: _EVERYBODY_OWN,
    Action.READ_JOURNAL: _EVERYBODY_OWN,
    Action.READ_STATEMENTS: _EVERYBODY_OWN,
    Action.READ_CLOSING: _FINANCE,
    Action.READ_HOLDS: _FINANCE,
    Action.HOLD_MONEY: {**_OWNER, "service": "all"},
    Action.READ_LIMITS: _FINANCE,
    Action.CHANGE_LIMITS: _FINANCE,
    Action.READ_NOTICES: _FINANCE,
    Action.READ_AUDIT: _FINANCE,
    Action.READ_OPERATOR_AUDIT: _OPERATOR,
    Action.READ_INSTALLATION: _OPERATOR,
    Action.VERIFY_BOOKS: _OPERATOR,
    Action.READ_ALERTS: _OPERATOR,
    Action.READ_OPERATORS: _OPERATOR,
    Action.CHANGE_OPERATORS: _OPERATOR,
    Action.USE_WORKSPACE: _PEOPLE_OWN,
    Action.READ_INBOX: _PEOPLE_OWN,
    Action.READ_TOP_UP_REQUESTS: _EVERYBODY_OWN,
    Action.DECIDE_TOP_UP_REQUESTS: _FINANCE,
    Action.OWN_SESSION: {"operator": "own", **_PEOPLE_OWN},
    Action.SIGN_IN: _ANYBODY,
    Action.TELL_PAYMENT: _ANYBODY,
    Action.READ_DESCRIPTION: _ANYBODY,
}

PUBLIC: Final = frozenset({Action.SIGN_IN, Action.TELL_PAYMENT, Action.READ_DESCRIPTION})
"""Open to everybody, known or not: what a route of these gives away, or does, is in the request itself."""
BY_SESSION: Final = frozenset({Action.OWN_SESSION})
"""About a browser's session, so that no key opens it."""
OF_PEOPLE: Final = frozenset({Action.READ_INBOX, Action.USE_WORKSPACE})
"""About a person, so that a key which names nobody does not open it."""


READS_BILLING: Final = frozenset(
    {
        Action.READ_SETTINGS,
        Action.READ_BALANCE,
        Action.READ_JOURNAL,
        Action.READ_STATEMENTS,
        Action.READ_HOLDS,
        Action.READ_LIMITS,
        Action.READ_NOTICES,
        Action.READ_CLOSING,
    }
)
"""All that an admin key may do which was narrowed to reading about money."""


def rank_of(caller: Caller) -> Rank | None:
    """What the caller is to the management API; `None` for a user key, which never reaches it."""
    if caller.kind == "root" or caller.operates:
        return "operator"
    if caller.kind == "service":
        return "service"
    if caller.kind == "user":
        return None
    if caller.person is not None:
        return caller.person.role
    return "owner" if caller.kind == "admin" else None


def reach(caller: Caller, action: Action, field: str | None = None) -> Reach:
    """How far the caller may go with an action. Raises a 403 `Problem`, which names the field that asks for it."""
    rank: Rank | None = rank_of(caller)
    if action in OF_PEOPLE and caller.operates and caller.person is not None:
        rank = caller.person.role
    if caller.read_only_billing and action not in READS_BILLING:
        detail = f"This key was made for reading about money only, so it may not {action.value}."
        raise Problem(403, "forbidden", "You may not do this", detail, field)
    found = MAY[action].get(rank) if rank is not None else None
    if found is None:
        raise forbidden(action, rank, field)
    if found == "own" and caller.person is None:
        raise Problem(403, "forbidden", "You may not do this", "This is for people: the key names no user.", field)
    return found


def forbidden(action: Action, rank: Rank | None, field: str | None) -> Problem:
    """Says who may, so that somebody who may not knows whom to ask."""
    if rank is None:
        detail = "A user key is for AI calls; the management API wants an admin key."
    else:
        who = ", ".join(name for name in RANKS if name in MAY[action])
        detail = f"Only {who} may {action.value}; you are {rank}."
    return Problem(403, "forbidden", "You may not do this", detail, field)


def not_found(what: str = "mandate", field: str | None = None) -> Problem:
    """The same for what never was, and for what belongs to another mandate; `field` names where it was asked for."""
    return Problem(404, "not_found", "Not found", f"There is no such {what}.", field)


def own_user_id(caller: Caller, found: Reach) -> UUID | None:
    """The user that an action stays within, or `None` where it reaches the whole mandate."""
    if found == "all":
        return None
    if caller.person is None:
        raise ValueError("only a person owns anything")
    return caller.person.user_id
