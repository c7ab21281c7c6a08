# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""English."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "title.short": "Insufficient balance",
    "title.held": "Funds temporarily held",
    "exhausted.pool": "The AI credit of {mandate} is used up.",
    "exhausted.wallet": "Your AI credit at {mandate} is used up.",
    "exhausted.credit": "The AI credit line of {mandate} is used up.",
    "too_large.pool": "The remaining AI credit of {mandate} does not cover this request.",
    "too_large.wallet": "Your remaining AI credit at {mandate} does not cover this request.",
    "too_large.credit": "The remaining AI credit line of {mandate} does not cover this request.",
    "limit.key": "This API key has reached its {period}.",
    "limit.user": "You have reached your {period} for AI.",
    "limit.model": "The {period} for the model {model} has been reached.",
    "limit.mandate": "{mandate} has reached its {period} for AI.",
    "held.pool": "{mandate} has enough AI credit, but it is reserved for requests that are still running.",
    "held.wallet": "You have enough AI credit, but it is reserved for requests that are still running.",
    "held.credit": "The AI credit line of {mandate} is large enough, but it is reserved for requests that are still running.",
    "period.day": "daily spending limit",
    "period.week": "weekly spending limit",
    "period.month": "monthly spending limit",
    "period.total": "total spending limit",
    "amounts": "Available: {available}; needed: up to {required}.",
    "limit_amounts": "Left: {left} of {amount}; needed: up to {required}.",
    "affordable": "The available amount covers an answer of at most {tokens} tokens.",
    "resets": "It resets on {at}.",
    "retry": "Please try again in a few seconds.",
    "shorten": "A shorter request may also work.",
    "top_up.pool": "Please top up the credit.",
    "top_up.wallet": "Please top up your credit.",
    "top_up.credit": "Please pay the outstanding amount.",
    "raise_limit": "You can raise the limit on the billing page.",
    "ask_for_limit": "The finance contacts of {mandate} can raise the limit; please get in touch with them.",
    "contact.told": "The finance contacts were notified on {at}; please get in touch with them.",
    "contact.being_told": "The finance contacts are being notified; please get in touch with them.",
    "contact.nobody": "Nobody was notified, because no address is set for this; please get in touch with the finance contacts directly.",
    "contact.not_told": "Please get in touch with the finance contacts.",
    "finance.told": "The finance contacts were notified on {at}.",
    "finance.being_told": "The finance contacts are being notified.",
    "finance.nobody": "No address is set that would be notified in such a case.",
    "at": "{date} at {time}",
}
