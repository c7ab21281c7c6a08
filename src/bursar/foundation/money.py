"""Amounts of money: integers of nanos (10⁻⁹ of the mandate's currency), decimal strings on the wire.

Pure. No float ever touches money; what is not exactly representable is refused, never rounded.
"""

from __future__ import annotations

import re
from typing import Final

NANOS_PER_UNIT: Final = 1_000_000_000
DECIMALS: Final = 9
MAX_AMOUNT_NANOS: Final = 4_000_000_000_000_000_000
"""Largest amount that is accepted from outside: half of PostgreSQL's bigint, so that one addition cannot overflow."""

_AMOUNT: Final = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]{1,12})(?:\.(?P<fraction>[0-9]{1,9}))?")


class AmountError(ValueError):
    """An amount from outside that is not acceptable. `field` names where it stood."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def parse_amount(text: object, *, field: str, allow_negative: bool = False, allow_zero: bool = False) -> int:
    """Nanos of a decimal string such as `"0.20"`.

    Only strings are taken: a JSON number may already have been rounded by somebody's float.
    Raises `AmountError` for anything but up to twelve digits before and nine after the point, or out of range.
    """
    if not isinstance(text, str):
        raise AmountError(field, 'must be a decimal string such as "10.00"')
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise AmountError(field, 'must be a decimal string with at most nine decimals, such as "10.00"')
    fraction = (match["fraction"] or "").ljust(DECIMALS, "0")
    nanos = int(match["whole"]) * NANOS_PER_UNIT + int(fraction)
    if match["sign"] == "-":
        nanos = -nanos
    if abs(nanos) > MAX_AMOUNT_NANOS:
        raise AmountError(field, f"must be at most {format_amount(MAX_AMOUNT_NANOS)}")
    if nanos < 0 and not allow_negative:
        raise AmountError(field, "must not be negative")
    if nanos == 0 and not allow_zero:
        raise AmountError(field, "must not be zero")
    return nanos


def format_amount(nanos: int) -> str:
    """The amount as it goes over the wire: always nine decimals, `"0.000123450"`."""
    sign = "-" if nanos < 0 else ""
    whole, fraction = divmod(abs(nanos), NANOS_PER_UNIT)
    return f"{sign}{whole}.{fraction:09d}"
