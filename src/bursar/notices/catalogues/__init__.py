"""The sentences of notices in four languages: one message catalogue (`.po`) a language, the same keys in each.

Any tool for translators edits them; Babel reads them. A message that depends on a number stands here once for each CLDR
plural category that its catalogue has (`key.one`, `key.other`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from bursar.billing.models import LANGUAGES, Language

_CATEGORIES: Final = ("one", "other")
"""What gettext numbers, as our languages have it: a catalogue's `Plural-Forms` say which numbers are the first."""


def read_catalogue(language: Language) -> Mapping[str, str]:
    """Raises `OSError`, or what Babel raises for a file that is no catalogue."""
    with (Path(__file__).parent / f"{language}.po").open("rb") as file:
        messages = list(read_po(file, locale=f"{language}_CH", abort_invalid=True))
    return MappingProxyType({key: text for message in messages if message.id for key, text in _texts(message)})


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    if isinstance(message.id, str):
        yield message.id, str(message.string)
    else:
        for category, text in zip(_CATEGORIES, message.string or (), strict=True):
            yield f"{message.id[0]}.{category}", text


CATALOGUES: Final[Mapping[Language, Mapping[str, str]]] = {language: read_catalogue(language) for language in LANGUAGES}
