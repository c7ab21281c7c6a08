"""A statement as PDF: for people, in German or English, with figures that add up as printed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from bursar.billing.models import Language
from bursar.billing.statements.model import Header, Movement, Share, Statement, Usage
from bursar.billing.statements.page import Column, Paper
from bursar.billing.statements.printed import Printed, printed
from bursar.billing.statements.texts import (
    CATALOGUES,
    WRITTEN_IN,
    count,
    figure,
    long_day,
    month_name,
    short_day,
    step_nanos,
)
from bursar.billing.texts import LOCALES, format_money, format_time, quotable


def render_pdf(statement: Statement, language: Language | None = None) -> bytes:
    """The whole document; without a language, in the mandate's (French and Italian ones read English).

    Takes some tens of milliseconds, more for long ones: to be called off the event loop. The same statement in the same
    language makes the same bytes.
    """
    writer = _Writer(statement, WRITTEN_IN[language or statement.header.language])
    return writer.write()


class _Writer:
    def __init__(self, statement: Statement, language: Language) -> None:
        header = statement.header
        self._statement = statement
        self._header = header
        self._language = language
        self._words = CATALOGUES[language]
        self._figures: Printed = printed(statement, step_nanos(header.currency))
        month = month_name(header.month.first_day, language)
        self._paper = Paper(
            title=self._words["own_part" if header.own_part else "statement"].format(month=month),
            running_head=quotable(header.mandate_name),
            foot=f"{self._words['mandate_id']} {header.mandate_id}",
            page_text=lambda page, pages: self._words["page"].format(page=page, pages=pages),
            created_at=header.as_of,
        )

    def write(self) -> bytes:
        self._write_head()
        self._write_summary()
        self._write_entries()
        self._write_days()
        self._write_shares()
        if self._paper.replaced:
            self._paper.write_note(self._words["replaced"])
        return self._paper.to_bytes()

    def _write_head(self) -> None:
        header, words = self._header, self._words
        zone = ZoneInfo(header.time_zone)
        last = (header.ends_at - timedelta(microseconds=1)).astimezone(zone).date()
        span = words["span"].format(
            start=long_day(header.month.first_day, self._language),
            end=long_day(last, self._language),
            zone=header.time_zone,
        )
        as_of = words["open"].format(at=format_time(header.as_of, header.time_zone, self._language))
        self._paper.write_title()
        self._paper.write_pairs(
            [
                (words["mandate"], header.mandate_name),
                (words["mandate_id"], str(header.mandate_id)),
                (words["account"], account_name(header, self._language)),
                (words["period"], span),
                (words["state"], words["closed"] if header.closed else as_of),
            ]
        )

    def _write_summary(self) -> None:
        figures, words, header = self._figures, self._words, self._header
        rows: list[tuple[str, str, bool]] = [(words["usage"], self._money(figures.usage_nanos), True)]
        if figures.opening_nanos is not None and figures.closing_nanos is not None:
            first, last = header.month.first_day, header.month.next().first_day - timedelta(days=1)
            closing = "closing" if header.closed else "balance_now"
            rows = [
                (words["opening"].format(day=self._day(first)), self._money(figures.opening_nanos), True),
                (words["entries"], self._money(figures.entries_nanos), False),
                (words["usage"], self._money(-figures.usage_nanos), False),
                (words[closing].format(day=self._day(last)), self._money(figures.closing_nanos), True),
            ]
        if figures.due_nanos is not None:
            due = words["due" if header.closed else "due_so_far"]
            rows.append((due, self._money(figures.due_nanos), True))
        self._paper.write_heading(words["summary"])
        self._paper.write_sums(rows)
        notes = [words["rounded"]]
        if figures.due_nanos is not None:
            notes.insert(0, words["due_rule"])
        self._paper.write_note(" ".join(notes))

    def _write_entries(self) -> None:
        words = self._words
        if not self._figures.entries:
            return
        zone = ZoneInfo(self._header.time_zone)
        rows = [
            (
                short_day(entry.at.astimezone(zone).date(), self._language),
                words[f"kind.{entry.kind.value}"],
                self._reference(entry),
                self._figure(amount),
            )
            for entry, amount in self._figures.entries
        ]
        columns = [Column(words["day"], 12), Column(words["what"], 26), Column(words["reference"], 48), self._amounts()]
        total = ("", words["total"], "", self._figure(self._figures.entries_nanos))
        self._paper.write_heading(words["entries"])
        self._paper.write_table(columns, rows, total)

    def _write_days(self) -> None:
        words = self._words
        self._paper.write_heading(words["per_day"])
        if not self._figures.by_day_and_model:
            self._paper.write_note(words["none"])
            return
        rows = [
            (self._day(row.day), row.model or words["no_model"], *self._counts(row.usage), self._figure(amount))
            for row, amount in self._figures.by_day_and_model
        ]
        total = (words["total"], "", *self._counts(self._statement.usage), self._figure(self._figures.usage_nanos))
        self._paper.write_table([Column(words["day"], 12), *self._columns("model", 37)], rows, total)

    def _write_shares(self) -> None:
        words, figures = self._words, self._figures
        if not figures.by_day_and_model:
            return
        models = [(row.model or words["no_model"], row.usage, amount) for row, amount in figures.by_model]
        users = [(self._person(share.id, share.name), share.usage, amount) for share, amount in figures.by_user]
        keys = [(self._key(share), share.usage, amount) for share, amount in figures.by_key]
        parts = [("per_model", "model", models), ("per_user", "user", users), ("per_key", "key", keys)]
        for heading, head, shares in parts:
            if heading == "per_user" and self._header.user_id is not None:
                continue
            self._write_share(heading, head, shares)

    def _write_share(self, heading: str, head: str, shares: Sequence[tuple[str, Usage, int]]) -> None:
        rows = [(name, *self._counts(usage), self._figure(amount)) for name, usage, amount in shares]
        total = (
            self._words["total"],
            *self._counts(self._statement.usage),
            self._figure(self._figures.usage_nanos),
        )
        self._paper.write_heading(self._words[heading])
        self._paper.write_table(self._columns(head, 49), rows, total)

    def _columns(self, head: str, width: float) -> list[Column]:
        words = self._words
        return [
            Column(words[head], width),
            Column(words["calls"], 9, "RIGHT"),
            Column(words["input"], 14, "RIGHT"),
            Column(words["output"], 14, "RIGHT"),
            self._amounts(),
        ]

    def _amounts(self) -> Column:
        return Column(self._header.currency, 14, "RIGHT")

    def _counts(self, usage: Usage) -> tuple[str, str, str]:
        numbers = (usage.calls, usage.input_tokens, usage.output_tokens)
        calls, fresh, output = (count(number, self._language) for number in numbers)
        return calls, fresh, output

    def _reference(self, entry: Movement) -> str:
        texts = [entry.reference, entry.reason]
        if self._header.payer == "pool" and entry.user_id is not None:
            texts.insert(0, self._person(entry.user_id, entry.user_name))
        return " · ".join(quotable(text) for text in texts if text)

    def _person(self, user_id: UUID | None, name: str | None) -> str:
        return person_name(user_id, name, self._language)

    def _key(self, share: Share) -> str:
        return self._words["no_key"] if share.id is None else quotable(share.name or str(share.id))

    def _day(self, day: date) -> str:
        return short_day(day, self._language)

    def _money(self, nanos: int) -> str:
        return format_money(nanos, self._header.currency, LOCALES[self._language])

    def _figure(self, nanos: int) -> str:
        return figure(nanos, self._header.currency, self._language)


def account_name(header: Header, language: Language) -> str:
    """What the account is called, in words."""
    words = CATALOGUES[language]
    if header.user_id is None:
        return words["pool"]
    user = person_name(header.user_id, header.user_name, language)
    return words["part" if header.own_part else "wallet"].format(user=user)


def person_name(user_id: UUID | None, name: str | None, language: Language) -> str:
    """A name; for somebody who has left and whose name was erased, the first eight characters of the id."""
    words = CATALOGUES[language]
    if user_id is None:
        return words["no_user"]
    return quotable(name) if name else words["former"].format(id=str(user_id)[:8])
