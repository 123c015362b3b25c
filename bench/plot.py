"""Draws the plot of docs/lab/performance.md: processor time per row of each way, on a logarithmic axis, as SVG."""

from collections.abc import Sequence
from html import escape
from math import floor, log10
from pathlib import Path

from bench.table import Line

_NAMES, _WIDTH, _VALUES = 290, 420, 110  # pixels: the names, the axis, and the values to the right of the dots
_ROW, _TOP, _BOTTOM = 26, 44, 34
_STYLE = (
    "text{font:13px sans-serif;fill:#222}.title{font-weight:bold}.grid{stroke:#ddd}.stem{stroke:#b8c4d6;stroke-width:3}"
    ".dot{fill:#8292a8}.ours{fill:#c2410c}"
)


def plot(lines: Sequence[Line]) -> str:
    """Draws a dot for each way that has a result. Our ways have another colour."""
    shown = [
        (each.name.replace("*", ""), each.usage.microseconds_per_row, "*" in each.name) for each in lines if each.usage
    ]
    first, last = _decades([value for _, value, _ in shown])
    height = _TOP + _ROW * len(shown) + _BOTTOM
    width = _NAMES + _WIDTH + _VALUES

    def at(value: float) -> float:
        return round(_NAMES + _WIDTH * (log10(value) - first) / (last - first), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#fff"/>',
        '<text class="title" x="12" y="22">Processor time per row, µs (logarithmic)</text>',
    ]
    for decade in range(first, last + 1):
        x, end = at(10.0**decade), height - _BOTTOM
        parts.append(f'<line class="grid" x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{end}"/>')
        parts.append(f'<text x="{x}" y="{end + 18}" text-anchor="middle">{10.0**decade:g}</text>')
    for number, (name, value, ours) in enumerate(shown):
        y, x = _TOP + _ROW * number + _ROW // 2, at(value)
        parts.append(f'<text x="{_NAMES - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line class="stem" x1="{_NAMES}" y1="{y}" x2="{x}" y2="{y}"/>')
        parts.append(f'<circle class="{"ours" if ours else "dot"}" cx="{x}" cy="{y}" r="6"/>')
        parts.append(f'<text x="{x + 12}" y="{y + 4}">{value:.1f}</text>')
    return "\n".join([*parts, "</svg>\n"])


def write_plot(file: Path, lines: Sequence[Line]) -> None:
    file.write_text(plot(lines), encoding="utf-8")


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Returns the powers of ten from below the smallest to above the largest value."""
    return floor(log10(min(values))), floor(log10(max(values))) + 1
