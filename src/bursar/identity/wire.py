"""What goes over the wire: camelCase JSON, amounts as decimal strings, unknown fields refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from bursar.foundation.money import AmountError, parse_amount

ONE_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
"""Text without control characters."""


class Ask(BaseModel):
    """A request's body. A field that is not known is an error, not something to be ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=False, extra="forbid")


class Answer(BaseModel):
    """A response's body."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", from_attributes=True)


def _amount(*, allow_negative: bool, allow_zero: bool) -> Callable[[Any], Any]:
    def read(value: Any) -> int:
        try:
            return parse_amount(value, field="amount", allow_negative=allow_negative, allow_zero=allow_zero)
        except AmountError as error:
            raise PydanticCustomError("amount", "{message}", {"message": error.message}) from None

    return read


def _schema(pattern: str, description: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": pattern, "description": description, "examples": ["10.00"]}, mode="validation"
    )


_DIGITS: Final = r"\d{1,9}(\.\d{1,9})?$"
_NOT_ZERO: Final = r"(?=[0.]*[1-9])"
PositiveAmount: TypeAlias = Annotated[
    int,
    BeforeValidator(_amount(allow_negative=False, allow_zero=False)),
    _schema(rf"^{_NOT_ZERO}{_DIGITS}", "above zero, at most nine decimals"),
]
"""Nanos, from a decimal string."""
SignedAmount: TypeAlias = Annotated[
    int,
    BeforeValidator(_amount(allow_negative=True, allow_zero=False)),
    _schema(rf"^-?{_NOT_ZERO}{_DIGITS}", "not zero, at most nine decimals"),
]
AmountOrZero: TypeAlias = Annotated[
    int,
    BeforeValidator(_amount(allow_negative=False, allow_zero=True)),
    _schema(rf"^{_DIGITS}", "not below zero, at most nine decimals"),
]


def _whole(value: Any) -> int:
    """JSON knows one kind of number: `5.0` is a whole one, `true` and `"5"` are none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0:
        return int(value)
    raise PydanticCustomError("whole_number", "must be a whole number")


WholeNumber: TypeAlias = Annotated[int, BeforeValidator(_whole)]

Line: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=ONE_LINE)
]
"""A name, a reference, a reason: one line of text."""
UserName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=ONE_LINE)]
"""Our user id, or the application's own id of a user."""
