"""How a setting's value is read, from an environment variable's text or from TOML's and JSON's types.

Pure, but for what paths mean. Every reader raises `InvalidValue`, whose message never repeats the value:
it may be a secret.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from email_validator import EmailNotValidError, validate_email

Reader = Callable[[Any], Any]
_BOOLEANS: Final = {
    "1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip


class InvalidValue(ValueError):
    """A value that is not acceptable; `path` leads to it inside the setting, such as `[0].base_url`."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a TOML table: how to read it, and its default unless it is required."""

    read: Reader
    default: Any = None
    required: bool = False


def text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue("must be a text that is not empty")
    return value.strip()


def mail_address(value: object) -> str:
    try:
        return validate_email(text(value), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise InvalidValue(f"must be a mail address: {error}") from None


def one_of(*choices: str) -> Reader:
    def read(value: object) -> str:
        if value not in choices:
            raise InvalidValue(f"must be one of {', '.join(choices)}")
        return str(value)

    return read


def whole_number(minimum: int, maximum: int) -> Reader:
    """An integer within bounds, both included."""

    def read(value: object) -> int:
        message = f"must be a whole number from {minimum} to {maximum}"
        if isinstance(value, str):
            digits = value.strip().replace("_", "")
            if not digits.removeprefix("-").isascii() or not digits.removeprefix("-").isdigit():
                raise InvalidValue(message)
            value = int(digits)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise InvalidValue(message)
        return value

    return read


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _BOOLEANS:
        return _BOOLEANS[value.strip().lower()]
    raise InvalidValue("must be true or false")


def decimal(minimum: Decimal, *, above: bool = False) -> Reader:
    """An exact decimal. Numbers with a point must be texts: TOML and JSON would have made them inexact."""

    def read(value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise InvalidValue('must be a decimal number in quotes, such as "0.80"')
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            raise InvalidValue('must be a decimal number, such as "0.80"') from None
        if not number.is_finite() or number < minimum or (above and number == minimum):
            raise InvalidValue(f"must be {'above' if above else 'at least'} {minimum}")
        return number

    return read


def network(value: object) -> str:
    """An internet address, or a network such as 10.0.0.0/8."""
    given = text(value)
    try:
        return str(ipaddress.ip_network(given)) if "/" in given else str(ipaddress.ip_address(given))
    except ValueError:
        raise InvalidValue("must be an internet address, or a network such as 10.0.0.0/8") from None


def path(value: object) -> Path:
    if isinstance(value, Path):
        return value.expanduser()
    return Path(text(value)).expanduser()


def currency(value: object) -> str:
    code = text(value)
    if len(code) != 3 or not code.isascii() or not code.isalpha() or not code.isupper():
        raise InvalidValue("must be a currency code of three capital letters, such as CHF")
    return code


def url(*schemes: str) -> Reader:
    """An absolute URL with one of the schemes, without a slash at its end."""

    def read(value: object) -> str:
        address = text(value)
        message = f"must be an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        try:
            parts = urlsplit(address)
            _ = parts.port
        except ValueError:
            raise InvalidValue(message) from None
        if parts.scheme not in schemes or not (parts.hostname or parts.query):
            raise InvalidValue(message)
        return address.rstrip("/")

    return read


def mail_url(value: object) -> str:
    address = text(value)
    if address.startswith("maildir:") and len(address) > len("maildir:"):
        return address
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise InvalidValue("must be smtp://user:password@host:port, smtps://… or maildir:DIRECTORY")
    return address


def secret(minimum_length: int) -> Reader:
    def read(value: object) -> str:
        key = text(value)
        if len(key) < minimum_length or any(character.isspace() for character in key):
            raise InvalidValue(f"must have at least {minimum_length} characters and no spaces")
        return key

    return read


def list_of(read_item: Reader) -> Reader:
    """A list; as text a JSON array, or items separated by commas or spaces."""

    def read(value: object) -> tuple[Any, ...]:
        if isinstance(value, str):
            value = from_json(value) if value.lstrip().startswith("[") else value.replace(",", " ").split()
        if not isinstance(value, list | tuple):
            raise InvalidValue("must be a list")
        return tuple(_inside(f"[{index}]", read_item, item) for index, item in enumerate(value))

    return read


def mapping_of(read_item: Reader) -> Reader:
    """A table of texts to whatever `read_item` reads."""

    def read(value: object) -> dict[str, Any]:
        if isinstance(value, str):
            value = from_json(value)
        if not isinstance(value, Mapping):
            raise InvalidValue("must be a table")
        return {str(key): _inside(f".{key}", read_item, item) for key, item in value.items()}

    return read


def table(entries: Mapping[str, Entry]) -> Reader:
    """A table with exactly these keys; as text, a JSON object."""

    def read(value: object) -> dict[str, Any]:
        if isinstance(value, str):
            value = from_json(value)
        if not isinstance(value, Mapping):
            raise InvalidValue("must be a table")
        for key in value:
            if key not in entries:
                raise InvalidValue(f"is not a setting; there are {', '.join(entries)}", f".{key}")
        found = {}
        for key, entry in entries.items():
            if key in value:
                found[key] = _inside(f".{key}", entry.read, value[key])
            elif entry.required:
                raise InvalidValue("is missing", f".{key}")
            else:
                found[key] = entry.default
        return found

    return read


def from_json(value: str) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise InvalidValue("must be JSON") from None


def _inside(step: str, read: Reader, value: object) -> Any:
    try:
        return read(value)
    except InvalidValue as error:
        raise InvalidValue(error.message, step + error.path) from None
