"""E-mail addresses from outside: their form only, without asking anybody whether they exist. Pure.

Names that exist inside of a house only (`cfo@intranet.local`) are as good as any: its own mail server will know them.
"""

from __future__ import annotations

from typing import Final

import email_validator
from email_validator import EmailNotValidError, validate_email

from bursar.foundation.problems import Problem, invalid_field

_LONGEST_SHOWN: Final = 100

# The library's documented way to allow reserved names such as `local` and `test`; these two can never have a mailbox.
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = ["arpa", "invalid"]


def checked_email(address: str, field: str) -> str:
    """The address in its normal form. Raises a 422 `Problem` that names it."""
    try:
        found = validate_email(address.strip(), check_deliverability=False)
    except EmailNotValidError as error:
        raise _invalid(address, field, str(error)) from None
    return found.normalized


def _invalid(address: str, field: str, why: str) -> Problem:
    shown = " ".join(address.split())
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}…"
    return invalid_field(field, f'"{shown}" is not a valid e-mail address. {why}')
