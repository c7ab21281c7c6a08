"""The billing models, and who may do and see what when money is short: tables, no branches. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from bursar.ledger.model import LimitScope, Payer, Reason

Language = Literal["de", "en", "fr", "it"]
LANGUAGES: Final[tuple[Language, ...]] = ("de", "en", "fr", "it")


class BillingModel(StrEnum):
    PREPAY_MANDATE = "PREPAY_MANDATE"
    PREPAY_USER = "PREPAY_USER"
    POSTPAY = "POSTPAY"
    UNLIMITED = "UNLIMITED"


class UserAction(StrEnum):
    """The one thing that whoever was refused can do."""

    TOP_UP_SELF = "TOP_UP_SELF"
    CONTACT_MANDATE_ADMIN = "CONTACT_MANDATE_ADMIN"
    RETRY_LATER = "RETRY_LATER"


class Role(StrEnum):
    """What somebody is in a mandate."""

    OWNER = "owner"
    FINANCE = "finance"
    MEMBER = "member"


class FinanceMail(StrEnum):
    """Whether the finance contacts are mailed when the payer of a billing model is exhausted."""

    ALWAYS = "ALWAYS"
    BY_SETTING = "BY_SETTING"
    NEVER = "NEVER"


class FinanceNews(StrEnum):
    """What a refusal can truthfully say about the finance contacts."""

    TOLD = "told"
    BEING_TOLD = "being_told"
    NOBODY = "nobody"
    """They would be told, but no address is configured."""
    NOT_TOLD = "not_told"
    """This refusal is no alarm for them."""


Subject = Literal["pool", "wallet", "credit"]
"""What the texts speak of: a pool's money, somebody's own money, a credit line."""


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What follows from a billing model."""

    payer: Payer
    subject: Subject
    finance_mail: FinanceMail


MODEL_RULES: Final[Mapping[BillingModel, ModelRules]] = {
    BillingModel.PREPAY_MANDATE: ModelRules("pool", "pool", FinanceMail.ALWAYS),
    BillingModel.PREPAY_USER: ModelRules("wallet", "wallet", FinanceMail.BY_SETTING),
    BillingModel.POSTPAY: ModelRules("pool", "credit", FinanceMail.ALWAYS),
    BillingModel.UNLIMITED: ModelRules("pool", "pool", FinanceMail.NEVER),
}

Remedy = Literal["money", "cap", "time"]

REMEDIES: Final[Mapping[Reason, Remedy]] = {
    Reason.BALANCE_EXHAUSTED: "money",
    Reason.REQUEST_TOO_LARGE: "money",
    Reason.LIMIT_REACHED: "cap",
    Reason.FUNDS_HELD: "time",
}
"""What would let the call through. Its keys are the reasons that a billing object can have."""

_MANAGERS: Final = frozenset({Role.OWNER, Role.FINANCE})
_EVERYBODY: Final = frozenset(Role)

MAY_TOP_UP: Final[Mapping[Payer, frozenset[Role]]] = {"pool": _MANAGERS, "wallet": _EVERYBODY}
"""Who may top up a payer; the wallet is always the caller's own."""

MAY_CHANGE_CAP: Final[Mapping[LimitScope, frozenset[Role]]] = {
    "key": _MANAGERS,
    "user": _MANAGERS,
    "model": _MANAGERS,
    "mandate": _MANAGERS,
}

MAY_SEE_ACCOUNT: Final[Mapping[Payer, frozenset[Role]]] = {"pool": _MANAGERS, "wallet": _EVERYBODY}

MAY_SEE_CAP: Final[Mapping[tuple[Payer, LimitScope], frozenset[Role]]] = {
    ("pool", "key"): _MANAGERS,
    ("pool", "user"): _MANAGERS,
    ("pool", "model"): _MANAGERS,
    ("pool", "mandate"): _MANAGERS,
    ("wallet", "key"): _EVERYBODY,
    ("wallet", "user"): _EVERYBODY,
    ("wallet", "model"): _MANAGERS,
    ("wallet", "mandate"): _MANAGERS,
}
"""Who sees a cap's amounts. Caps of a whole mandate would tell a member what the others have spent."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever reads the refusal: the person that the call is for, even where an application makes it for them.

    `role` is `None` for a service key that named no person: it sees no amounts and can do nothing itself. An operator
    or an admin key counts as an owner.
    """

    role: Role | None = None

    @property
    def is_service(self) -> bool:
        return self.role is None


@dataclass(frozen=True, slots=True)
class BillingFacts:
    """What a refusal needs to know of the mandate. `notified_at` is the current shortage's of the payer."""

    mandate_id: UUID
    name: str
    billing_model: BillingModel
    currency: str
    time_zone: str = "Europe/Zurich"
    has_finance_contacts: bool = False
    tell_finance_about_wallets: bool = False
    notified_at: datetime | None = None
    """When a finance contact's server first accepted the mail about this shortage."""


def decide_user_action(
    model: BillingModel,
    reason: Reason,
    viewer: Viewer,
    *,
    top_up_enabled: bool = True,
    limit_scope: LimitScope | None = None,
) -> UserAction:
    """The action of CONTRACT section 3. `top_up_enabled` is whether the installation has any means of topping up.

    Changing a cap needs no means of topping up. Raises `KeyError` for a reason that is no shortage.
    """
    remedy = REMEDIES[reason]
    if remedy == "time":
        return UserAction.RETRY_LATER
    if remedy == "cap":
        able = viewer.role in MAY_CHANGE_CAP[limit_scope or "mandate"]
    else:
        able = top_up_enabled and viewer.role in MAY_TOP_UP[MODEL_RULES[model].payer]
    return UserAction.TOP_UP_SELF if able else UserAction.CONTACT_MANDATE_ADMIN


def finance_news(mandate: BillingFacts, reason: Reason) -> FinanceNews:
    """What is true about the finance contacts. Only an exhausted balance is an alarm (MONEY.md, notices 1)."""
    mail = MODEL_RULES[mandate.billing_model].finance_mail
    mailed = mail is FinanceMail.ALWAYS or (mail is FinanceMail.BY_SETTING and mandate.tell_finance_about_wallets)
    if reason is not Reason.BALANCE_EXHAUSTED or not mailed:
        return FinanceNews.NOT_TOLD
    if mandate.notified_at is not None:
        return FinanceNews.TOLD
    return FinanceNews.BEING_TOLD if mandate.has_finance_contacts else FinanceNews.NOBODY


def may_see_account(model: BillingModel, viewer: Viewer) -> bool:
    """Whether the payer's balance may be shown (own wallet: yes; pool: owner and finance)."""
    return viewer.role in MAY_SEE_ACCOUNT[MODEL_RULES[model].payer]


def may_see_cap(model: BillingModel, scope: LimitScope, viewer: Viewer) -> bool:
    """Whether a limit's amounts may be shown."""
    return viewer.role in MAY_SEE_CAP[MODEL_RULES[model].payer, scope]
