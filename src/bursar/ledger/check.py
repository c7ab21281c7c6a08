"""What no command may contain, whatever the books say: said before it is queued, so that it never breaks a batch. Pure.

Amounts within range, texts that PostgreSQL can store, payers that go with the billing model. What passes here and still
breaks its batch is found by halving, at the cost of everybody in it; so the list is long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from bursar.foundation.money import MAX_AMOUNT_NANOS
from bursar.ledger.decision import operator_kinds
from bursar.ledger.model import (
    Command,
    Expire,
    Extend,
    IdempotencyKey,
    MoveToWallet,
    Post,
    Release,
    Reserve,
    Settle,
    TransferKind,
)

MAX_TTL_SECONDS: Final = 7 * 24 * 3600
MAX_TEXT: Final = 1_000
MAX_KEY: Final = 512
"""Characters of each part of an idempotency key: all of them must fit into one row of an index."""
MAX_COUNT: Final = 2**53
POSTED_KINDS: Final = frozenset({TransferKind.TOP_UP, TransferKind.CORRECTION, TransferKind.REFUND})


def unfit(command: Command) -> str | None:
    """What is wrong with the command by itself, or `None`."""
    return _CHECKS[type(command)](command)


def _reserve(command: Reserve) -> str | None:
    if not 0 <= command.minimum_nanos <= command.desired_nanos <= MAX_AMOUNT_NANOS:
        return "amounts must be 0 <= minimum <= desired, and in range"
    if not 0 <= command.input_bound_nanos <= MAX_AMOUNT_NANOS:
        return "the input's bound is out of range"
    if not 1 <= command.ttl_seconds <= MAX_TTL_SECONDS:
        return "the hold's life is out of range"
    pooled = command.account_id == command.mandate_id
    if pooled is not (command.payer == "pool") or pooled is (command.billing_model == "PREPAY_USER"):
        return "this payer does not go with the account or the billing model"
    if not pooled and command.account_id in operator_kinds(command.mandate_id):
        return "the operator's accounts pay for nothing"
    if not (is_storable(command.model) and is_storable(command.upstream)):
        return "model or upstream cannot be stored"
    return _tags(command.tags) or _key(command.idempotency)


def _extend(command: Extend) -> str | None:
    if not 0 <= command.minimum_total_nanos <= command.desired_total_nanos <= MAX_AMOUNT_NANOS:
        return "amounts must be 0 <= minimum <= desired, and in range"
    if command.used_nanos is not None and not 0 <= command.used_nanos <= MAX_AMOUNT_NANOS:
        return "what was used is out of range"
    return _key(command.idempotency)


def _settle(command: Settle) -> str | None:
    if not 0 <= command.actual_nanos <= MAX_AMOUNT_NANOS:
        return "the amount is out of range"
    for tokens in (command.input_tokens, command.cached_input_tokens, command.output_tokens):
        if tokens is not None and not 0 <= tokens <= MAX_COUNT:
            return "a count of tokens is out of range"
    if not (is_storable(command.model) and is_storable(command.upstream)):
        return "model or upstream cannot be stored"
    return _tags(command.tags) or _key(command.idempotency)


def _release(command: Release) -> str | None:
    return _key(command.idempotency)


def _expire(command: Expire) -> str | None:
    return None


def _post(command: Post) -> str | None:
    if command.kind not in POSTED_KINDS:
        return "this kind of transfer is not for posting"
    least = -MAX_AMOUNT_NANOS if command.kind is TransferKind.CORRECTION else 1
    if not least <= command.amount_nanos <= MAX_AMOUNT_NANOS or command.amount_nanos == 0:
        return "the amount is out of range"
    if (command.account_id == command.mandate_id) is not (command.payer == "pool"):
        return "this payer does not go with the account"
    if command.account_id in operator_kinds(command.mandate_id):
        return "money is not posted to the operator's accounts"
    return _texts(command.reference, command.reason, command.actor) or _key(command.idempotency)


def _move_to_wallet(command: MoveToWallet) -> str | None:
    if not 0 < abs(command.amount_nanos) <= MAX_AMOUNT_NANOS:
        return "the amount is out of range"
    if command.account_id != command.mandate_id:
        return "money is moved between the pool and a wallet"
    if command.wallet_id == command.mandate_id or command.wallet_id in operator_kinds(command.mandate_id):
        return "this is not a wallet"
    return _texts(command.reference, command.actor) or _key(command.idempotency)


_CHECKS: Final[dict[type, Callable[[Any], str | None]]] = {
    Reserve: _reserve,
    Extend: _extend,
    Settle: _settle,
    Release: _release,
    Expire: _expire,
    Post: _post,
    MoveToWallet: _move_to_wallet,
}


def _texts(*texts: str | None) -> str | None:
    return None if all(is_storable(text) for text in texts) else "a text cannot be stored"


def _tags(tags: Mapping[str, str] | None) -> str | None:
    for name, value in (tags or {}).items():
        if not (isinstance(value, str) and is_storable(name) and is_storable(value)):
            return "a tag cannot be stored"
    return None


def _key(key: IdempotencyKey | None) -> str | None:
    if key is None:
        return None
    if all(len(part) <= MAX_KEY and is_storable(part) for part in (key.caller, key.route, key.key)):
        return None
    return "the idempotency key cannot be stored"


@lru_cache(maxsize=4096)
def is_storable(text: str | None) -> bool:
    """PostgreSQL's text has no NUL, and UTF-8 has no lone surrogates."""
    if text is None:
        return True
    if len(text) > MAX_TEXT or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
