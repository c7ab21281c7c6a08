"""The billing object (CONTRACT section 3) and the exception that carries it. Pure, and light enough for a client.

The factory that fills it from a ledger's rejection is `billing.refusal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal, Self, TypeVar
from uuid import UUID

from bursar.billing.models import BillingModel, Language, Role, UserAction
from bursar.foundation.money import format_amount, parse_amount
from bursar.ledger.model import Reason

CODE: Final = "INSUFFICIENT_BALANCE"
_Name = TypeVar("_Name", bound=StrEnum)
_MESSAGE_KEYS: Final[Mapping[Language, str]] = {
    "de": "messageDe",
    "en": "messageEn",
    "fr": "messageFr",
    "it": "messageIt",
}


Amount = Decimal | int | str


def amount_nanos(amount: Amount, *, field: str, allow_negative: bool = False) -> int:
    """Nanos of an amount that Python code gives, in units of the currency.

    Raises `TypeError` for floats (they have been rounded already) and `AmountError` for more than nine decimals.
    """
    if isinstance(amount, float | bool):
        raise TypeError(f"{field}: must be a decimal string, a Decimal or an int, never a {type(amount).__name__}")
    text = format(amount, "f") if isinstance(amount, Decimal) else str(amount)
    return parse_amount(text, field=field, allow_negative=allow_negative, allow_zero=True)


@dataclass(frozen=True, slots=True)
class LimitObject:
    """The cap that was reached. Amounts are nanos, `None` for who may not see them."""

    scope: str
    scope_id: str | None
    period: str
    amount_nanos: int | None
    spent_nanos: int | None
    resets_at: datetime | None
    """When the period ends; `None` for a cap in total."""

    def to_client_dict(self) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "scopeId": self.scope_id,
            "period": self.period,
            "amount": _wire_amount(self.amount_nanos),
            "spent": _wire_amount(self.spent_nanos),
            "resetsAt": _wire_time(self.resets_at),
        }

    @classmethod
    def from_client_dict(cls, wire: Mapping[str, Any]) -> Self:
        return cls(
            scope=str(wire.get("scope", "")),
            scope_id=_text(wire.get("scopeId")),
            period=str(wire.get("period", "")),
            amount_nanos=_read_amount(wire.get("amount"), "limit.amount"),
            spent_nanos=_read_amount(wire.get("spent"), "limit.spent"),
            resets_at=_read_time(wire.get("resetsAt")),
        )


@dataclass(frozen=True, slots=True)
class BillingObject:
    """One refusal for lack of money, the same on every surface. Amounts are nanos of `currency`.

    Enumerations are plain strings where a newer server sent a value that is not known here.
    """

    reason: Reason | str
    billing_model: BillingModel | str
    user_action: UserAction | str
    payer: str
    mandate_id: str
    mandate_name: str
    currency: str
    current_balance_nanos: int | None
    required_amount_nanos: int
    messages: Mapping[str, str]
    """By language: `de`, `en`, `fr`, `it`."""
    billing_url: str | None = None
    notified_at: datetime | None = None
    retry_after_seconds: int | None = None
    request_id: str | None = None
    affordable_output_tokens: int | None = None
    limit: LimitObject | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a newer server, passed on as they came."""

    @property
    def http_status(self) -> Literal[402, 429]:
        """402; 429 only for held funds, because official clients retry that by themselves."""
        return 429 if self.reason == Reason.FUNDS_HELD else 402

    def message(self, language: str = "en") -> str:
        """The text in a language, or in the first one there is."""
        return self.messages.get(language) or next(iter(self.messages.values()), CODE)

    def to_client_dict(self) -> dict[str, Any]:
        """The object as JSON, keys in the contract's order, what a reason adds at the end."""
        wire: dict[str, Any] = {
            "code": CODE,
            "reason": str(self.reason),
            "billingModel": str(self.billing_model),
            "userAction": str(self.user_action),
            "payer": self.payer,
            "mandateId": self.mandate_id,
            "mandateName": self.mandate_name,
            "currency": self.currency,
            "currentBalance": _wire_amount(self.current_balance_nanos),
            "requiredAmount": format_amount(self.required_amount_nanos),
            **{key: self.messages.get(language, "") for language, key in _MESSAGE_KEYS.items()},
            "billingUrl": self.billing_url,
            "notifiedAt": _wire_time(self.notified_at),
            "retryAfterSeconds": self.retry_after_seconds,
            "requestId": self.request_id,
        }
        if self.reason == Reason.REQUEST_TOO_LARGE:
            wire["affordableOutputTokens"] = self.affordable_output_tokens
        if self.limit is not None:
            wire["limit"] = self.limit.to_client_dict()
        return {**wire, **{key: value for key, value in self.unknown.items() if key not in wire}}

    @classmethod
    def from_client_dict(cls, wire: Mapping[str, Any]) -> Self:
        """What a server sent. Unknown fields are kept, missing ones are `None` or empty.

        Raises `ValueError` where the value is not a billing object at all, or an amount or a time cannot be read.
        """
        if wire.get("code") != CODE:
            raise ValueError(f"not a billing object: its code is {wire.get('code')!r}")
        limit = wire.get("limit")
        return cls(
            reason=_known(Reason, wire.get("reason")),
            billing_model=_known(BillingModel, wire.get("billingModel")),
            user_action=_known(UserAction, wire.get("userAction")),
            payer=str(wire.get("payer", "")),
            mandate_id=str(wire.get("mandateId", "")),
            mandate_name=str(wire.get("mandateName", "")),
            currency=str(wire.get("currency", "")),
            current_balance_nanos=_read_amount(wire.get("currentBalance"), "currentBalance"),
            required_amount_nanos=_read_amount(wire.get("requiredAmount"), "requiredAmount") or 0,
            messages={language: str(wire[key]) for language, key in _MESSAGE_KEYS.items() if wire.get(key)},
            billing_url=_text(wire.get("billingUrl")),
            notified_at=_read_time(wire.get("notifiedAt")),
            retry_after_seconds=_integer(wire.get("retryAfterSeconds")),
            request_id=_text(wire.get("requestId")),
            affordable_output_tokens=_integer(wire.get("affordableOutputTokens")),
            limit=LimitObject.from_client_dict(limit) if isinstance(limit, Mapping) else None,
            unknown={key: value for key, value in wire.items() if key not in _KNOWN_KEYS},
        )


class InsufficientBalance(Exception):
    """A call was refused because its payer's money, or a cap, does not suffice for it.

    `str()` is the text for the person, in the language that was chosen for them.
    """

    def __init__(self, billing: BillingObject, message: str | None = None) -> None:
        super().__init__(billing, message)  # All arguments, so that it survives pickling between processes.
        self.billing = billing
        self.message = message or billing.message()

    def __str__(self) -> str:
        return self.message

    @property
    def reason(self) -> Reason | str:
        return self.billing.reason

    @property
    def billing_model(self) -> BillingModel | str:
        return self.billing.billing_model

    @property
    def user_action(self) -> UserAction | str:
        return self.billing.user_action

    @property
    def messages(self) -> Mapping[str, str]:
        """The text by language: `de`, `en`, `fr`, `it`."""
        return self.billing.messages

    @property
    def retry_after_seconds(self) -> int | None:
        return self.billing.retry_after_seconds

    @property
    def http_status(self) -> Literal[402, 429]:
        """The status for an application that passes the refusal on."""
        return self.billing.http_status

    def to_client_dict(self) -> dict[str, Any]:
        """The billing object, to be sent on as JSON."""
        return self.billing.to_client_dict()

    @classmethod
    def from_client_dict(cls, wire: Mapping[str, Any], message: str | None = None) -> Self:
        """From a received billing object; `ValueError` if it is none."""
        return cls(BillingObject.from_client_dict(wire), message)

    @classmethod
    def from_balance_check(
        cls,
        *,
        billing_model: BillingModel | str,
        current_balance: Amount,
        required_amount: Amount,
        mandate_id: UUID | str,
        mandate_name: str,
        currency: str = "CHF",
        role: Role | str | None = None,
        reason: Reason | str | None = None,
        top_up_enabled: bool = True,
        public_url: str = "",
        has_finance_contacts: bool = False,
        notified_at: datetime | None = None,
        time_zone: str = "Europe/Zurich",
        request_id: str | None = None,
        language: str = "en",
    ) -> Self:
        """The exception for an application that has checked a balance by itself.

        Amounts are in units of `currency` (never floats). Without a `reason`, a balance below 1.00 is
        `BALANCE_EXHAUSTED`, and a larger one makes the request `REQUEST_TOO_LARGE`; pass the ledger's reason where one
        is known. `role` is the person's in the mandate; without one no amounts are shown. Raises `ValueError` where
        the balance suffices (`BALANCE_EXHAUSTED` and `REQUEST_TOO_LARGE` only), or a name or an amount is unknown.
        """
        from bursar.billing.refusal import checked_balance  # Loads the texts, which a client does not need.

        billing = checked_balance(
            billing_model=BillingModel(billing_model),
            available_nanos=amount_nanos(current_balance, field="current_balance", allow_negative=True),
            required_nanos=amount_nanos(required_amount, field="required_amount"),
            mandate_id=UUID(str(mandate_id)),
            mandate_name=mandate_name,
            currency=currency,
            role=None if role is None else Role(role),
            reason=None if reason is None else Reason(reason),
            top_up_enabled=top_up_enabled,
            public_url=public_url,
            has_finance_contacts=has_finance_contacts,
            notified_at=notified_at,
            time_zone=time_zone,
            request_id=request_id,
        )
        return cls(billing, billing.message(language))


# --- the wire --------------------------------------------------------------------------------------------------------

_KNOWN_KEYS: Final = frozenset(
    {"code", "reason", "billingModel", "userAction", "payer", "mandateId", "mandateName", "currency"}
    | {"currentBalance", "requiredAmount", "billingUrl", "notifiedAt", "retryAfterSeconds", "requestId"}
    | {"affordableOutputTokens", "limit"}
    | set(_MESSAGE_KEYS.values())
)


def _wire_amount(nanos: int | None) -> str | None:
    return None if nanos is None else format_amount(nanos)


def _wire_time(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_amount(value: object, name: str) -> int | None:
    return None if value is None else parse_amount(value, field=name, allow_negative=True, allow_zero=True)


def _read_time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _known(names: type[_Name], value: object) -> _Name | str:
    """The name as we know it, or as it came."""
    text = str(value)
    return names(text) if text in names.__members__ else text
