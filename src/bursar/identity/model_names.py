"""Lists of models that somebody is narrowed to: names and globs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bursar.foundation.problems import invalid_field

MOST_MODELS: Final = 1000
LONGEST_MODEL: Final = 200


def checked_models(models: Sequence[str], field: str = "allowedModels") -> tuple[str, ...]:
    """Distinct, in their order. An empty list allows none. Raises a 422 `Problem`."""
    found = tuple(dict.fromkeys(model.strip() for model in models))
    if any(not 1 <= len(model) <= LONGEST_MODEL or not model.isprintable() for model in found):
        raise invalid_field(field, f"must hold names or globs of models, of 1 to {LONGEST_MODEL} characters")
    if len(found) > MOST_MODELS:
        raise invalid_field(field, f"must not have more than {MOST_MODELS} entries")
    return found
