"""What dialects share in reading a request's JSON: its text without its media, and what is wrong with it. Pure.

Text is bounded twice: by the bytes of its JSON, which are never fewer than its tokens, and by a tokenizer over the
strings in it. Base64 is neither: media are bounded by the providers' rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from bursar.gateway.dialects.members import Members, NotAnObject, read_members
from bursar.gateway.dialects.seam import invalid
from bursar.pricing.bounds import cheap_text_bound, exact_text_bound
from bursar.pricing.families import Family

Parts = TypeVar("Parts")

_MISSING: Final = re.compile(r"missing required field `(\w+)`")


_ESCAPED_ASCII: Final = re.compile(rb"\\u00[2-7]")


def read_json(
    body: bytes, read_parts: Callable[[bytes], Parts], *, main_field: str | None = None
) -> tuple[Members, Parts]:
    """The members of a request, and what `read_parts` makes of it.

    Raises `GatewayFault` for what is no JSON, no object, or not of the shape that is read; it names the field, which is
    `main_field` where msgspec does not tell it.
    """
    try:
        return read_members(body), read_parts(body)
    except NotAnObject as error:
        raise invalid(None, f"The body is not a JSON object: {error}.") from None
    except msgspec.ValidationError as error:
        message, field = explain(error)
        raise invalid(field or main_field, message) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(None, f"The body is not valid JSON: {error}.") from None


def may_spell_anything(body: bytes) -> bool:
    """Whether JSON escapes letters that nobody has to escape: they may spell a name that is looked for in its bytes."""
    return b"\\u00" in body and _ESCAPED_ASCII.search(body) is not None


def text_bound(
    raws: Sequence[msgspec.Raw],
    definitions: Sequence[msgspec.Raw],
    media: Sequence[str],
    structure: frozenset[str],
    family: Family,
    *,
    exact: bool,
) -> int:
    """The most tokens that JSON may count for as text.

    Of `raws` the strings are what a model is shown (names in `structure` only give them their places), of
    `definitions` all of the JSON. `media` are the base64 strings inside of them. `exact` counts with a tokenizer, which
    may take long.
    """
    if not exact:
        everything = sum(cheap_text_bound(bytes(raw), family) for raw in (*raws, *definitions))
        return everything - sum(map(len, media))
    skipped = frozenset(media)
    text = [string for raw in raws for string in strings(msgspec.json.decode(raw), structure, skipped)]
    # Written anew, so that escapes count as the characters they stand for.
    text += [msgspec.json.encode(msgspec.json.decode(raw)).decode("utf-8", "surrogatepass") for raw in definitions]
    return exact_text_bound("\n".join(text), family)


def strings(value: Any, structure: frozenset[str], skipped: frozenset[str] = frozenset()) -> Iterator[str]:
    """All text in a decoded value: its strings and numbers, and the names of members that are no mere structure."""
    if isinstance(value, str):
        if value not in skipped:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, structure, skipped)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in structure:
                yield name
            yield from strings(item, structure, skipped)
    elif value is not None:
        yield str(value)


def collect(value: Any, text: list[str]) -> None:
    """Every string in a value that a provider sent: where text is expected, and also where it has another shape."""
    if isinstance(value, str):
        text.append(value)
    elif isinstance(value, list):
        for item in value:
            collect(item, text)
    elif isinstance(value, dict):
        for item in value.values():
            collect(item, text)


def any_text(body: bytes, *names: str) -> str:
    """All strings in some members of an answer in a shape that is not known, or what is no JSON as it came."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")
    text: list[str] = []
    if isinstance(value, dict):
        for name in names:
            collect(value.get(name), text)
    return "".join(text)


def explain(error: msgspec.ValidationError) -> tuple[str, str | None]:
    """A message for the client, and the field at fault.

    msgspec says "Expected `int`, got `str` - at `$.n`", or "Object missing required field `n`".
    """
    problem, _, place = str(error).partition(" - at `$")
    missing = _MISSING.search(problem)
    field = place.rstrip("`").lstrip(".")
    if missing is not None:
        field = f"{field}.{missing[1]}" if field else missing[1]
        return f"'{field}' is required.", field
    return (f"'{field}' is not valid: {problem}.", field) if field else (f"The request is not valid: {problem}.", None)
