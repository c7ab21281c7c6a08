"""What the workspace tells a person, in their language: why a run stands still, what is wrong with a document. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from bursar.billing.models import Language

RunTrouble = Literal[
    "RATE_LIMITED", "UNAVAILABLE", "MODEL_REFUSED", "FORBIDDEN", "STEP_LIMIT", "INTERRUPTED", "INTERNAL"
]
DocumentTrouble = Literal[
    "document_too_large", "document_type", "document_unreadable", "document_empty", "too_many_documents"
]

RUN_TROUBLE: Final[Mapping[RunTrouble, Mapping[Language, str]]] = {
    "RATE_LIMITED": {
        "de": "Im Moment laufen zu viele Anfragen. Bitte in Kürze weitermachen.",
        "en": "Too many requests at the moment. Please continue in a little while.",
        "fr": "Trop de requêtes en ce moment. Veuillez continuer dans un instant.",
        "it": "Troppe richieste al momento. Si prega di continuare tra poco.",
    },
    "UNAVAILABLE": {
        "de": "Das Modell ist im Moment nicht erreichbar. Was da ist, bleibt; bitte später weitermachen.",
        "en": "The model cannot be reached at the moment. What is there stays; please continue later.",
        "fr": "Le modèle est injoignable pour le moment. Ce qui est là reste; veuillez continuer plus tard.",
        "it": "Il modello non è raggiungibile al momento. Quanto c’è rimane; si prega di continuare più tardi.",
    },
    "MODEL_REFUSED": {
        "de": "Das Modell hat die Anfrage nicht angenommen. Vielleicht ist sie zu lang.",
        "en": "The model did not accept the request. It may be too long.",
        "fr": "Le modèle n’a pas accepté la demande. Elle est peut-être trop longue.",
        "it": "Il modello non ha accettato la richiesta. Forse è troppo lunga.",
    },
    "FORBIDDEN": {
        "de": "Dieses Modell darf hier nicht benutzt werden. Bitte ein anderes wählen.",
        "en": "This model may not be used here. Please choose another one.",
        "fr": "Ce modèle ne peut pas être utilisé ici. Veuillez en choisir un autre.",
        "it": "Questo modello non può essere usato qui. Si prega di sceglierne un altro.",
    },
    "STEP_LIMIT": {
        "de": "Nach vielen Schritten ohne Ergebnis wurde angehalten. Es kann weitergemacht werden.",
        "en": "Stopped after many steps without a result. It can be continued.",
        "fr": "Arrêt après de nombreuses étapes sans résultat. Il est possible de continuer.",
        "it": "Fermato dopo molti passaggi senza risultato. È possibile continuare.",
    },
    "INTERRUPTED": {
        "de": "Die Antwort wurde unterbrochen. Was da ist, bleibt; es kann weitergemacht werden.",
        "en": "The answer was interrupted. What is there stays; it can be continued.",
        "fr": "La réponse a été interrompue. Ce qui est là reste; il est possible de continuer.",
        "it": "La risposta è stata interrotta. Quanto c’è rimane; è possibile continuare.",
    },
    "INTERNAL": {
        "de": "Hier ist etwas schiefgegangen. Was da ist, bleibt; es kann weitergemacht werden.",
        "en": "Something went wrong here. What is there stays; it can be continued.",
        "fr": "Une erreur s’est produite. Ce qui est là reste; il est possible de continuer.",
        "it": "Qualcosa è andato storto. Quanto c’è rimane; è possibile continuare.",
    },
}

DOCUMENT_TROUBLE: Final[Mapping[DocumentTrouble, Mapping[Language, str]]] = {
    "document_too_large": {
        "de": "Das Dokument ist zu gross: höchstens {most}.",
        "en": "The document is too large: {most} at most.",
        "fr": "Le document est trop volumineux: {most} au plus.",
        "it": "Il documento è troppo grande: al massimo {most}.",
    },
    "document_type": {
        "de": "Nur Text, Markdown, CSV und PDF können gelesen werden.",
        "en": "Only text, Markdown, CSV and PDF can be read.",
        "fr": "Seuls le texte, le Markdown, le CSV et le PDF peuvent être lus.",
        "it": "Si possono leggere solo testo, Markdown, CSV e PDF.",
    },
    "document_unreadable": {
        "de": "Das Dokument kann nicht gelesen werden: Es ist beschädigt, verschlüsselt oder anders kodiert.",
        "en": "The document cannot be read: it is damaged, encrypted or in another encoding.",
        "fr": "Le document est illisible: il est endommagé, chiffré ou dans un autre encodage.",
        "it": "Il documento è illeggibile: è danneggiato, cifrato o in un’altra codifica.",
    },
    "document_empty": {
        "de": "Das Dokument enthält keinen Text. Eingescannte Seiten können nicht gelesen werden.",
        "en": "The document contains no text. Scanned pages cannot be read.",
        "fr": "Le document ne contient pas de texte. Les pages numérisées ne peuvent pas être lues.",
        "it": "Il documento non contiene testo. Le pagine scansionate non possono essere lette.",
    },
    "too_many_documents": {
        "de": "In diesem Gespräch sind schon {most} Dokumente.",
        "en": "This thread has {most} documents already.",
        "fr": "Cette conversation contient déjà {most} documents.",
        "it": "Questa conversazione contiene già {most} documenti.",
    },
}
