# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""Italian."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "title.short": "Credito insufficiente",
    "title.held": "Credito momentaneamente riservato",
    "exhausted.pool": "Il credito IA dell’organizzazione {mandate} è esaurito.",
    "exhausted.wallet": "Il suo credito IA presso l’organizzazione {mandate} è esaurito.",
    "exhausted.credit": "La linea di credito IA dell’organizzazione {mandate} è esaurita.",
    "too_large.pool": "Il credito IA rimanente dell’organizzazione {mandate} non basta per questa richiesta.",
    "too_large.wallet": "Il suo credito IA rimanente presso l’organizzazione {mandate} non basta per questa richiesta.",
    "too_large.credit": "La linea di credito IA rimanente dell’organizzazione {mandate} non basta per questa richiesta.",
    "limit.key": "Questa chiave API ha raggiunto il suo {period}.",
    "limit.user": "Ha raggiunto il suo {period} per l’IA.",
    "limit.model": "Il {period} per il modello {model} è stato raggiunto.",
    "limit.mandate": "L’organizzazione {mandate} ha raggiunto il suo {period} per l’IA.",
    "held.pool": "Il credito IA dell’organizzazione {mandate} è sufficiente, ma è riservato a richieste in corso.",
    "held.wallet": "Il suo credito IA è sufficiente, ma è riservato a richieste in corso.",
    "held.credit": "La linea di credito IA dell’organizzazione {mandate} è sufficiente, ma è riservata a richieste in corso.",
    "period.day": "limite giornaliero",
    "period.week": "limite settimanale",
    "period.month": "limite mensile",
    "period.total": "limite complessivo",
    "amounts": "Disponibile: {available}; necessario: fino a {required}.",
    "limit_amounts": "Rimanente: {left} su {amount}; necessario: fino a {required}.",
    "affordable": "L’importo disponibile basta per una risposta di al massimo {tokens} token.",
    "resets": "Sarà azzerato in data {at}.",
    "retry": "La preghiamo di riprovare tra qualche secondo.",
    "shorten": "Anche una richiesta più breve può bastare.",
    "top_up.pool": "La preghiamo di ricaricare il credito.",
    "top_up.wallet": "La preghiamo di ricaricare il suo credito.",
    "top_up.credit": "La preghiamo di saldare l’importo dovuto.",
    "raise_limit": "Può aumentare il limite nella pagina di fatturazione.",
    "ask_for_limit": "I responsabili delle finanze dell’organizzazione {mandate} possono aumentare il limite; la preghiamo di rivolgersi a loro.",
    "contact.told": "I responsabili delle finanze sono stati avvisati in data {at}; la preghiamo di rivolgersi a loro.",
    "contact.being_told": "I responsabili delle finanze vengono avvisati in questo momento; la preghiamo di rivolgersi a loro.",
    "contact.nobody": "Nessuno è stato avvisato, perché non è indicato alcun indirizzo a questo scopo; la preghiamo di rivolgersi direttamente ai responsabili delle finanze.",
    "contact.not_told": "La preghiamo di rivolgersi ai responsabili delle finanze.",
    "finance.told": "I responsabili delle finanze sono stati avvisati in data {at}.",
    "finance.being_told": "I responsabili delle finanze vengono avvisati in questo momento.",
    "finance.nobody": "Non è indicato alcun indirizzo da avvisare in questi casi.",
    "at": "{date} alle {time}",
}
