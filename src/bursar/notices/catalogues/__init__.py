"""The sentences of notices in four languages: one file a language, the same keys in each.

A key that depends on a number ends in its CLDR plural category (`.one`, `.other`, …); `.other` is always there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bursar.billing.models import Language
from bursar.notices.catalogues import de, en, fr, it

CATALOGUES: Final[Mapping[Language, Mapping[str, str]]] = {
    "de": de.TEXTS,
    "en": en.TEXTS,
    "fr": fr.TEXTS,
    "it": it.TEXTS,
}
