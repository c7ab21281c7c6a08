# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""English."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "subject": "{product}: {event} – {mandate} ({short_id})",
    "greeting": "Hello,",
    "exhausted.event.pool": "AI credit used up",
    "exhausted.event.credit": "AI credit line used up",
    "exhausted.event.wallet": "Personal AI credit used up",
    "exhausted.lead.pool": "The AI credit of {mandate} is used up.",
    "exhausted.lead.credit": "The AI credit line of {mandate} is used up.",
    "exhausted.lead.wallet": "At {mandate}, the personal AI credit of {owner} is used up.",
    "exhausted.refused.one": "Since {since}, one AI request{users} has been refused.",
    "exhausted.refused.other": "Since {since}, {calls} AI requests{users} have been refused.",
    "exhausted.users.one": " from one person",
    "exhausted.users.other": " from {users} people",
    "exhausted.action.pool": "As soon as the credit is topped up, everybody can use the AI features again.",
    "exhausted.action.credit": "As soon as the outstanding amount is paid, everybody can use the AI features again.",
    "exhausted.action.wallet": "You can transfer credit from {mandate} to the personal account; the AI features can be used again right after that.",
    "exhausted.button.pool": "Top up the credit",
    "exhausted.button.credit": "Go to billing",
    "exhausted.button.wallet": "Transfer credit",
    "exhausted.available.pool": "Available credit",
    "exhausted.available.credit": "Left on the credit line",
    "exhausted.available.wallet": "Available credit",
    "exhausted.again": "If nothing changes, we will write again {in_cooldown} at the earliest.",
    "label.required": "Needed for the last request",
    "label.who": "Last refused",
    "label.mandate": "Mandate",
    "colon": ":",
    "who.person": "{name} ({id})",
    "who.gone": "Person {id}",
    "who.key": "API key “{name}” ({id})",
    "who.key_gone": "API key {id}",
    "who.unknown": "not stated",
    "owner.unknown": "one person",
    "footer": "You receive this message because your address is listed under “notifyEmails” in the billing settings of {mandate}.",
}
