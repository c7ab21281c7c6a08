"""A bar chart as SVG, without a library: a few bars with their figures, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#2f6f8f", "#d08b3c")
ROW, GROUP_GAP, LEFT, WIDTH, TOP = 22, 14, 190, 760, 64


def bars(title: str, unit: str, series: Sequence[str], groups: Mapping[str, Sequence[float]]) -> str:
    """One group of bars for each name, one bar for each of `series`; lengths are linear."""
    most = max(value for values in groups.values() for value in values)
    height = TOP + len(groups) * (len(series) * ROW + GROUP_GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="16" font-weight="600" fill="#1c2733">{escape(title)}</text>',
    ]
    at = 16
    for name, colour in zip(series, COLOURS, strict=False):
        parts.append(f'<rect x="{at}" y="38" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{at + 18}" y="49" fill="#1c2733">{escape(name)}</text>')
        at += 30 + 8 * len(name)
    y = TOP
    for group, values in groups.items():
        middle = y + len(series) * ROW / 2 + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end" fill="#1c2733">{escape(group)}</text>')
        for value, colour in zip(values, COLOURS, strict=False):
            length = max(1.0, (WIDTH - LEFT - 110) * value / most)
            parts.append(f'<rect x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" fill="{colour}"/>')
            figure = f"{value:,.0f} {unit}"
            parts.append(f'<text x="{LEFT + length + 6:.1f}" y="{y + 16}" fill="#1c2733">{escape(figure)}</text>')
            y += ROW
        y += GROUP_GAP
    return "\n".join([*parts, "</svg>", ""])
