"""What of this room works by itself, composed: who looks at balances, who delivers, and by which channels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.headerregistry import Address
from pathlib import Path
from typing import TYPE_CHECKING

from bursar.foundation.database import Database
from bursar.foundation.secrets import Secrets
from bursar.foundation.settings import Settings, SettingsError
from bursar.notices.changes import Changes
from bursar.notices.channels import Channel
from bursar.notices.channels.egress import Egress
from bursar.notices.channels.email import EmailChannel
from bursar.notices.channels.mail_url import MailUrlError, helo_name, parse_mail_url
from bursar.notices.channels.maildir import MaildirChannel
from bursar.notices.channels.messaging import MessagingChannel
from bursar.notices.channels.webhook import WebhookChannel
from bursar.notices.counting import CountedChannel
from bursar.notices.delivery import Delivery, DeliveryPace
from bursar.notices.mime import SenderError, read_sender
from bursar.notices.observing import Observer
from bursar.notices.operators.watch import OperatorSettings, OperatorWatch
from bursar.notices.personal_mail import PersonalMail
from bursar.notices.unsubscribing import UnsubscribeLinks

if TYPE_CHECKING:
    from asyncpg import Pool


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How mails go out; read from the settings by `read_mail_settings`."""

    channel: Channel
    sender: Address


def read_mail_settings(*, mail_url: str, mail_from: str, public_url: str) -> MailSettings:
    """Opens nothing yet. Raises `SettingsError` with one line that names the setting."""
    try:
        sender = read_sender(mail_from)
    except SenderError as error:
        raise SettingsError("BURSAR_MAIL_FROM", str(error)) from None
    try:
        target = parse_mail_url(mail_url, helo=helo_name(public_url, sender))
    except MailUrlError as error:
        raise SettingsError("BURSAR_MAIL_URL", str(error)) from None
    channel = MaildirChannel(target, sender) if isinstance(target, Path) else EmailChannel(target, sender)
    return MailSettings(channel, sender)


def open_delivery(
    pool: Pool,
    *,
    mail_url: str,
    mail_from: str,
    public_url: str,
    secrets: Secrets | None = None,
    pace: DeliveryPace | None = None,
) -> Delivery:
    """The worker with its channels, as the settings say. Raises `SettingsError` with one line."""
    mail = read_mail_settings(mail_url=mail_url, mail_from=mail_from, public_url=public_url)
    links = None if secrets is None else UnsubscribeLinks(secrets, public_url)
    channels: list[Channel] = [CountedChannel(mail.channel)]
    if secrets is not None:
        channels.append(CountedChannel(WebhookChannel(pool, secrets, Egress())))
        channels.append(CountedChannel(MessagingChannel(pool, secrets)))
    return Delivery(pool, channels, public_url=public_url, message_domain=mail.sender.domain, links=links, pace=pace)


class Telling:
    """What is at work between `running_notices` and its end."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def outcomes(self) -> Mapping[tuple[str, ...], float | list[float]]:
        """Letters by how they ended, over all channels, as a metric with one label."""
        return {(name,): count for name, count in self._delivery.outcomes().items()}


@asynccontextmanager
async def running_notices(settings: Settings, database: Database, secrets: Secrets) -> AsyncIterator[Telling]:
    """Deliver notices to finance and mails to one person, and look at balances, until the block ends.

    Any number of these may run on one database. Raises `SettingsError`.
    """
    pool = database.ledger_pool
    delivery = open_delivery(
        pool, mail_url=settings.mail_url, mail_from=settings.mail_from, public_url=settings.public_url, secrets=secrets
    )
    personal = PersonalMail(pool, delivery.mail, secrets, message_domain=delivery.message_domain)
    async with AsyncExitStack() as life:
        watch = OperatorWatch(
            pool,
            delivery.mail,
            OperatorSettings(
                settings.operator_emails,
                settings.operator_language,
                settings.public_url,
                timedelta(hours=settings.verify_hours),
            ),
            message_domain=delivery.message_domain,
        )
        changes = Changes(database)
        for part in (delivery, personal, changes, Observer(pool, changes=changes), watch):
            await part.start()
            life.push_async_callback(part.stop)
        yield Telling(delivery)
