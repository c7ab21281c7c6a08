"""Statements and receipts: what happened to one account in one calendar month, on paper and for programs.

Owns: where a month begins and ends, a statement's figures and their proof, its forms (JSON, CSV, PDF), the numbers of
receipts.

Does not own: the journal (`ledger`), who may see which statement (`identity`: the routes ask first and pass
`viewer_user_id` where somebody may see their own part only), the routes.

Invariants:

- Opening balance + movements = closing balance, or there is no statement (`StatementDoesNotAddUp`).
- A closed month says the same whenever it is asked: figures come from rows that can no longer change, in a span of time
  that can no longer move.
- What is printed with two decimals adds up as printed.
- A statement of somebody's part of the pool shows no balance of the pool and nothing of anybody else.

`build_statement` raises a `Problem` where there is nothing to state; the forms cannot fail for business reasons.
"""

from __future__ import annotations

from bursar.billing.models import Language
from bursar.billing.statements.building import build_statement
from bursar.billing.statements.csv_form import stream_csv
from bursar.billing.statements.json_form import render_json, stream_json
from bursar.billing.statements.model import Movement, Statement, StatementDoesNotAddUp
from bursar.billing.statements.receipts import (
    Receipt,
    build_receipt,
    list_receipts,
    render_receipt_json,
    render_receipt_pdf,
)

__all__ = [
    "Movement",
    "Receipt",
    "Statement",
    "StatementDoesNotAddUp",
    "build_receipt",
    "build_statement",
    "list_receipts",
    "render_json",
    "render_pdf",
    "render_receipt_json",
    "render_receipt_pdf",
    "stream_csv",
    "stream_json",
]


def render_pdf(statement: Statement, language: Language | None = None) -> bytes:
    """`pdf_form.render_pdf`, loaded when the first page is printed: with its fonts it takes thirty megabytes."""
    from bursar.billing.statements import pdf_form

    return pdf_form.render_pdf(statement, language)
