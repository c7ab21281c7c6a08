"""The paper: an A4 page with the house's look, made with fpdf2. Knows nothing of statements."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from fpdf import FPDF, FontFace
from fpdf.enums import MethodReturnValue, TableBordersLayout, WrapMode, XPos, YPos

from bursar.billing.statements.fonts import MAIN, OTHERS, fitted, font_file

# fontTools warns of a hinting table that it leaves out; nobody can do anything about it.
logging.getLogger("fontTools.subset").setLevel(logging.ERROR)

_MARGIN: Final = 18.0
_FOOT: Final = 20.0
_TEXT: Final = 8.5
_SMALL: Final = 7.5
_LINE: Final = 4.6
"""Millimetres, and points for text."""
_INK: Final = 30
_GREY: Final = 110
_RULE: Final = 205
_SHADE: Final = (243, 245, 248)

Align = Literal["LEFT", "RIGHT"]


@dataclass(frozen=True, slots=True)
class Column:
    head: str
    width: float
    """Parts of the page's width."""
    align: Align = "LEFT"


class Paper(FPDF):
    """A document that is written from top to bottom. `created_at` is all that it knows of time."""

    def __init__(
        self, *, title: str, running_head: str, foot: str, page_text: Callable[[int, str], str], created_at: datetime
    ) -> None:
        super().__init__(format="A4")
        self.replaced = False
        self._has_others = False
        for style in ("", "B"):
            self.add_font(MAIN, style, font_file(MAIN, style))
        self._title, self._running_head, self._foot = self.fit(title), self.fit(running_head), self.fit(foot)
        self._page_text = page_text
        self.set_title(title)
        self.set_producer("Bursar")
        self.set_creation_date(created_at)
        self.set_margins(_MARGIN, _MARGIN, _MARGIN)
        self.set_auto_page_break(True, margin=_FOOT)
        self.set_draw_color(_RULE)
        self.set_line_width(0.2)
        self.add_page()

    def fit(self, text: str) -> str:
        """The text in characters that can be printed; remembers if one had to be replaced."""
        fit = fitted(text)
        if fit.needs_others and not self._has_others:
            self._has_others = True
            for style in ("", "B"):
                self.add_font(OTHERS, style, font_file(OTHERS, style))
            self.set_fallback_fonts([OTHERS])
            # Joins Arabic letters and writes from right to left where a script does.
            self.set_text_shaping(True)
        self.replaced = self.replaced or fit.replaced
        return fit.text

    def header(self) -> None:
        if self.page_no() == 1:
            return
        self._small()
        width = self.epw * 0.62
        self.cell(width, 5, self._clipped(self._running_head, width - 4))
        self.cell(0, 5, self._title, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(4)
        self._plain()

    def footer(self) -> None:
        self.set_y(-14)
        self._small()
        # To the left: the number of pages is filled in last, and may be narrower than its placeholder.
        self.cell(self.epw * 0.3, 5, self.fit(self._page_text(self.page_no(), "{nb}")))
        self.cell(0, 5, self._foot, align="R")
        self._plain()

    def write_title(self) -> None:
        self.set_font(MAIN, "B", 19)
        self.set_text_color(_INK)
        self.multi_cell(0, 9, self._title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(3)
        self._plain()

    def write_heading(self, text: str) -> None:
        """A heading stays with the first lines of what it heads."""
        if self.will_page_break(26):
            self.add_page()
        self.ln(5)
        self.set_font(MAIN, "B", 11)
        self.multi_cell(0, 6, self.fit(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)
        self._plain()

    def write_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Labels, and beside each what it says."""
        for label, text in pairs:
            self._plain()
            self.set_text_color(_GREY)
            self.cell(38, _LINE + 0.4, self.fit(label))
            self.set_text_color(_INK)
            self.multi_cell(0, _LINE + 0.4, self.fit(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def write_sums(self, rows: Sequence[tuple[str, str, bool]]) -> None:
        """Labels with amounts to the right; the strong ones between lines."""
        for label, amount, strong in rows:
            if self.will_page_break(8):
                self.add_page()
            self.set_font(MAIN, "B" if strong else "", 9.5)
            self.set_fill_color(*_SHADE)
            self.cell(self.epw * 0.7, 7, self.fit(label), border="B", fill=strong)
            self.cell(0, 7, self.fit(amount), border="B", fill=strong, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        # What a table takes for no colour.
        self.set_fill_color(0)
        self._plain()

    def write_table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], total: Sequence[str] | None
    ) -> None:
        """A table whose heads are repeated on every page; `total` is its last row."""
        self._plain()
        with self.table(
            col_widths=tuple(column.width for column in columns),
            text_align=tuple(column.align for column in columns),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis="BOLD", color=_GREY, size_pt=_SMALL),
            line_height=_LINE,
            padding=(0.5, 1, 0.5, 1),
            wrapmode=WrapMode.WORD,
        ) as table:
            table.row([self.fit(column.head) for column in columns])
            for cells in rows:
                table.row([self.fit(cell) for cell in cells])
            if total is not None:
                table.row([self.fit(cell) for cell in total], style=FontFace(emphasis="BOLD", fill_color=_SHADE))

    def write_note(self, text: str) -> None:
        self._small()
        text = self.fit(text)
        height = self.multi_cell(0, 4, text, dry_run=True, output=MethodReturnValue.HEIGHT)
        assert isinstance(height, float | int)
        if self.will_page_break(height + 3):
            self.add_page()
            self._small()
        self.ln(3)
        self.multi_cell(0, 4, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self._plain()

    def _clipped(self, text: str, width: float) -> str:
        """The text, or as much of its beginning as fits into so many millimetres."""
        if self.get_string_width(text) <= width:
            return text
        while text and self.get_string_width(f"{text}…") > width:
            text = text[:-1]
        return f"{text.rstrip()}…"

    def to_bytes(self) -> bytes:
        return bytes(self.output())

    def _plain(self) -> None:
        self.set_font(MAIN, "", _TEXT)
        self.set_text_color(_INK)

    def _small(self) -> None:
        self.set_font(MAIN, "", _SMALL)
        self.set_text_color(_GREY)
