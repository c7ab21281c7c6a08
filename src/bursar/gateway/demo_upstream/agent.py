"""How the demo model plays an agent: which tool it calls next, and what it says of what it found. Pure.

It is no AI and says so. Offered tools to list, search and read documents, it uses them in that order and quotes the
sentence that shares most words with the question; offered a calculator or a budget, it uses those where the question
looks like it. `[[tools=list_documents+compute]]` says the order outright.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

_READING = frozenset({"list_documents", "search_documents", "read_document"})
_EXPRESSION = re.compile(r"[-(]*\d[\d\s.()]*(?:[-+*/%^]\s*[\d\s.()]+)+")
_BUDGET = re.compile(r"\b(budget|balance|guthaben|kredit|crédit|solde|saldo|credito)\b", re.IGNORECASE)
_GO_ON = re.compile(r"\bcut off\b.*\bcontinue exactly where it stopped\b", re.IGNORECASE | re.DOTALL)
_SAYINGS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "read": "“{sentence}” That is from {name}, page {page}. I am the demo model, no AI: I quote the sentence that "
        "has most words of the question.",
        "compute": "{expression} = {value}, as the calculator says.",
        "budget": "Paid from the {payer}; available: {available}.",
        "unknown": "not for you to see",
    },
    "de": {
        "read": "«{sentence}» Das steht in {name}, Seite {page}. Ich bin das Demo-Modell, keine KI: Ich zitiere den "
        "Satz, der am meisten Wörter der Frage enthält.",
        "compute": "{expression} = {value}, sagt der Rechner.",
        "budget": "Bezahlt aus: {payer}; verfügbar: {available}.",
        "unknown": "für Sie nicht sichtbar",
    },
}


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A call that was made since the person last said something, and its answer."""

    name: str
    content: str

    @property
    def value(self) -> Any:
        """What the content says as JSON, or `None`."""
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return None


def asks_to_go_on(text: str) -> bool:
    """Whether a message only asks to continue an answer that was cut off."""
    return _GO_ON.search(text) is not None


def next_tool(
    offered: frozenset[str], planned: Sequence[str], results: Sequence[ToolResult], text: str
) -> tuple[str, Mapping[str, Any]] | None:
    """The tool to call now, and its arguments as far as they can be known; `None` where it is time to answer."""
    if planned:
        name = planned[len(results)] if len(results) < len(planned) else None
        return (name, _arguments(name, results, text)) if name in offered and name is not None else None
    if not offered >= _READING:
        return None
    name = _following(offered, results, text)
    return None if name is None else (name, _arguments(name, results, text))


def _following(offered: frozenset[str], results: Sequence[ToolResult], text: str) -> str | None:
    if not results:
        if "compute" in offered and _EXPRESSION.search(text):
            return "compute"
        if "tell_budget" in offered and _BUDGET.search(text):
            return "tell_budget"
        return "list_documents"
    last = results[-1]
    if last.name == "list_documents" and last.value:
        return "search_documents"
    return "read_document" if last.name == "search_documents" else None


def _arguments(name: str, results: Sequence[ToolResult], text: str) -> Mapping[str, Any]:
    if name == "compute":
        found = _EXPRESSION.search(text)
        return {"expression": found[0].strip() if found else "6 * 7"}
    if name == "search_documents":
        return {"query": " ".join(text.split()[:20])}
    if name == "read_document":
        return _where_to_read(results)
    return {}


def _where_to_read(results: Sequence[ToolResult]) -> Mapping[str, Any]:
    hits = next((result.value for result in reversed(results) if result.name == "search_documents"), None)
    if isinstance(hits, list) and hits:
        return {"name": hits[0]["document"], "first_page": hits[0]["page"]}
    listed = next((result.value for result in results if result.name == "list_documents"), None)
    if isinstance(listed, list) and listed:
        return {"name": listed[0]["name"], "first_page": 1}
    return {}


def findings(results: Sequence[ToolResult], text: str, language: str) -> str | None:
    """What to say of what the tools answered; `None` where nothing of it is understood."""
    for result in reversed(results):
        tell = _TELLERS.get(result.name)
        said = tell(result.value, text, _SAYINGS[language]) if tell is not None else None
        if said is not None:
            return said
    return None


def _of_reading(value: Any, text: str, sayings: Mapping[str, str]) -> str | None:
    if not isinstance(value, dict) or not value.get("pages"):
        return None
    asked = set(re.findall(r"\w{3,}", text.lower()))
    best = ("", 0, -1)
    for page in value["pages"]:
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", page["text"]):
            words = set(re.findall(r"\w{3,}", sentence.lower()))
            shared = len(asked & words)
            if words and shared > best[2]:
                best = (sentence.strip(), page["page"], shared)
    return sayings["read"].format(sentence=best[0], name=value["document"], page=best[1])


def _of_computing(value: Any, text: str, sayings: Mapping[str, str]) -> str | None:
    if not isinstance(value, dict) or not {"expression", "value"} <= value.keys():
        return None
    return sayings["compute"].format(expression=value["expression"], value=value["value"])


def _of_budget(value: Any, text: str, sayings: Mapping[str, str]) -> str | None:
    if not isinstance(value, dict) or "payer" not in value:
        return None
    amount = value.get("available")
    available = sayings["unknown"] if amount is None else f"{value.get('currency')} {amount}"
    return sayings["budget"].format(payer=value["payer"], available=available)


_TELLERS: Mapping[str, Callable[[Any, str, Mapping[str, str]], str | None]] = {
    "read_document": _of_reading,
    "compute": _of_computing,
    "tell_budget": _of_budget,
}
