"""Mails to one person (an invitation, a link to sign in): written, delivered, and forgotten.

The sign-in queues them (`identity.sign_in.mails`), encrypted, because each carries a link that opens a door. What was
delivered, refused or is no longer of use loses its content at once. Any number of workers may run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
import orjson
import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bursar.billing.texts import choose_language, quotable
from bursar.foundation.ids import new_id
from bursar.foundation.secrets import Secrets, SecretsError
from bursar.notices.channels import Channel, ChannelUnreachable, Letter, Outcome, Verdict
from bursar.notices.mail import PRODUCT, TEMPLATES, Mail
from bursar.notices.personal_texts import PERSONAL, ROLES
from bursar.notices.retries import retry_after

if TYPE_CHECKING:
    from asyncpg import Pool

LEASE: Final = timedelta(minutes=5)
BATCH_LETTERS: Final = 20
POLL_SECONDS: Final = 0.5
_DATABASE_TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_log = structlog.get_logger(__name__)

_CLAIM: Final = """
    UPDATE sign_in_mail
       SET claim_id = $1, next_attempt_at = now() + $2::interval, attempts = attempts + 1
     WHERE mail_id IN (
           SELECT mail_id FROM sign_in_mail WHERE state = 'QUEUED' AND next_attempt_at <= now()
            ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING mail_id, kind, sealed, attempts, expires_at <= now() AS is_over"""

# What is not to be tried again says nothing any more: neither the link nor to whom.
_RECORD: Final = """
    UPDATE sign_in_mail
       SET state = $3, claim_id = NULL, last_error = $4,
           sealed = CASE WHEN $3 = 'QUEUED' THEN sealed END,
           sent_at = CASE WHEN $3 = 'SENT' THEN now() END,
           next_attempt_at = now() + coalesce($5::interval, interval '0')
     WHERE mail_id = $1 AND claim_id = $2"""

_STATES: Final[Mapping[Verdict, str]] = {
    Verdict.SENT: "SENT",
    Verdict.REFUSED: "REFUSED",
    Verdict.FAILED: "FAILED",
    Verdict.LATER: "QUEUED",
}

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=lambda template: template is None or ".html" in template,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class _Claimed:
    mail_id: UUID
    claim_id: UUID
    attempts: int


def render_personal(kind: str, language: str, values: Mapping[str, str]) -> Mail:
    """The mail of a kind. Raises `KeyError` for an unknown kind or a value that its texts want."""
    chosen = choose_language(None, language)
    texts = PERSONAL[chosen]
    words = {name: quotable(value) for name, value in values.items() if name != "url"}
    if "role" in words:
        words["role"] = ROLES[chosen].get(words["role"], words["role"])

    def say(part: str) -> str:
        return texts[f"{kind}.{part}"].format_map(words)

    content = {part: say(part) for part in ("title", "lead", "action", "button", "footer")}
    content |= {
        "language": chosen,
        "product": PRODUCT,
        "greeting": texts["greeting"],
        "colon": texts["colon"],
        "url": values["url"],
    }
    return Mail(
        language=chosen,
        subject=say("subject"),
        text=_TEMPLATES.get_template("personal.txt.jinja").render(content),
        html=_TEMPLATES.get_template("personal.html.jinja").render(content),
    )


class PersonalMail:
    """`start`, then `stop`; or `work_once` by hand. `pool` is `bursar_ledger`'s. The channel stays its owner's."""

    def __init__(self, pool: Pool, channel: Channel, secrets: Secrets, *, message_domain: str) -> None:
        self._pool = pool
        self._channel = channel
        self._secrets = secrets
        self._message_domain = message_domain
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._stopping.clear()
        self._task = asyncio.create_task(self._run(), name="personal-mail")

    async def stop(self, *, grace_seconds: float = 10.0) -> None:
        """Finish the letter that is out; what is left is claimed again by whoever comes next."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task}, timeout=grace_seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def work_once(self) -> int:
        """One round; answers how many mails were due. Raises what the database raises."""
        claim_id = new_id()
        rows = await self._pool.fetch(_CLAIM, claim_id, LEASE, BATCH_LETTERS)
        letters: dict[str, _Claimed] = {}
        ready: list[Letter] = []
        for row in rows:
            claimed = _Claimed(row["mail_id"], claim_id, row["attempts"])
            letter = None if row["is_over"] else self._letter(row["mail_id"], row["kind"], row["sealed"])
            if letter is None:
                why = "too late to be of use" if row["is_over"] else "it cannot be written"
                await self._record(claimed, Outcome(Verdict.FAILED, why))
            else:
                letters[letter.message_id] = claimed
                ready.append(letter)
        if ready:
            await self._deliver(ready, letters)
        return len(rows)

    async def _deliver(self, ready: list[Letter], letters: dict[str, _Claimed]) -> None:
        later = "not tried"
        try:
            async with aclosing(self._channel.deliver(ready, go_on=lambda: not self._stopping.is_set())) as deliveries:
                async for news in deliveries:
                    for letter, outcome in news:
                        await self._record(letters.pop(letter.message_id), outcome)
        except ChannelUnreachable as error:
            later = str(error)
        for claimed in letters.values():
            await self._record(claimed, Outcome(Verdict.LATER, later))

    async def _record(self, claimed: _Claimed, outcome: Outcome) -> None:
        pause = retry_after(claimed.attempts) if outcome.verdict is Verdict.LATER else None
        detail = None if outcome.verdict is Verdict.SENT else outcome.detail.replace("\x00", "")[:500]
        await self._pool.execute(_RECORD, claimed.mail_id, claimed.claim_id, _STATES[outcome.verdict], detail, pause)
        if outcome.verdict in (Verdict.REFUSED, Verdict.FAILED):
            _log.warning("personal_mail_not_delivered", mail_id=str(claimed.mail_id), reason=detail)

    def _letter(self, mail_id: UUID, kind: str, sealed: str) -> Letter | None:
        try:
            content = orjson.loads(self._secrets.decrypt(sealed))
            mail = render_personal(kind, content["language"], content["values"])
        except (SecretsError, KeyError, orjson.JSONDecodeError):
            _log.exception("personal_mail_not_written", mail_id=str(mail_id))
            return None
        return Letter(
            recipient=content["recipient"],
            message_id=f"<{mail_id}@{self._message_domain}>",
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            language=mail.language,
            date=datetime.now(UTC),
        )

    async def _run(self) -> None:
        pause = POLL_SECONDS
        while not self._stopping.is_set():
            try:
                worked = await self.work_once()
                pause = 0.0 if worked >= BATCH_LETTERS else POLL_SECONDS
            except _DATABASE_TROUBLE as error:
                pause = min(max(pause * 2, POLL_SECONDS), 10.0)
                _log.warning("personal_mail_database_unavailable", error=repr(error))
            except Exception:
                pause = min(max(pause * 2, POLL_SECONDS), 60.0)
                _log.exception("personal_mail_worker_failed")
            if pause:
                try:
                    await asyncio.wait_for(self._stopping.wait(), timeout=pause)
                except TimeoutError:
                    continue
