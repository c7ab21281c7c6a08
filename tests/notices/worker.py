"""A worker between the money's side and a mail host, by a virtual clock."""

from __future__ import annotations

from email.headerregistry import Address

from bursar.notices.channels.email import EmailChannel
from bursar.notices.delivery import Delivery, DeliveryPace
from bursar.notices.unsubscribing import UnsubscribeLinks
from tests.notices.mail_host import MailHost
from tests.notices.money_side import MoneySide

NO_REST = DeliveryPace(rest_seconds=(0.0, 0.0))


def worker(
    money: MoneySide,
    host: MailHost,
    *,
    pace: DeliveryPace = NO_REST,
    timeout_seconds: float = 5.0,
    links: UnsubscribeLinks | None = None,
) -> Delivery:
    channel = EmailChannel(host.address(), Address("Bursar", "bursar", "example.net"), timeout_seconds=timeout_seconds)
    return Delivery(
        money.database.ledger_pool,
        [channel],
        public_url="https://bursar.example.net",
        message_domain="example.net",
        links=links,
        pace=pace,
        now=money.clock.now,
    )
