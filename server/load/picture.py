"""Line charts below one another, as SVG that is drawn here. Pure: numbers in, text out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 200, 70, 170, 34, 40
COLOURS = ("#4c72b0", "#c44e52", "#55a868", "#8172b2", "#ccb974", "#64b5cd")
INK, FAINT = "#1c1c1c", "#d8d8d8"
TICKS = 4

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """`lines` by their names. What is infinite is drawn at the upper edge. `level`: a bound, dashed."""

    title: str
    across: str
    lines: Mapping[str, Points]
    level: float | None = None


def svg(charts: Sequence[Chart]) -> str:
    height = len(charts) * (TOP + HEIGHT + BOTTOM)
    width = LEFT + WIDTH + RIGHT
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    style = f'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{INK}"'
    parts = [f'<rect width="{width}" height="{height}" fill="white"/>']
    for number, chart in enumerate(charts):
        parts += _chart(chart, number * (TOP + HEIGHT + BOTTOM) + TOP)
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>', *parts, "</svg>"]) + "\n"


def _chart(chart: Chart, top: int) -> list[str]:
    points = [point for line in chart.lines.values() for point in line]
    known = [y for _, y in points if math.isfinite(y)] + ([chart.level] if chart.level is not None else [])
    most = _round(max(known, default=0.0))
    first = min((x for x, _ in points), default=0.0)
    last = max((x for x, _ in points), default=1.0)
    span = last - first or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + WIDTH * (x - first) / span, top + HEIGHT * (1 - min(y, most) / most)

    parts = [_text(LEFT, top - 14, chart.title, "start", "bold")]
    for tick in range(TICKS + 1):
        value = most * tick / TICKS
        y = place(first, value)[1]
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        parts.append(_text(LEFT - 8, y + 4, _number(value), "end"))
        x = place(first + span * tick / TICKS, 0)[0]
        parts.append(_text(x, top + HEIGHT + 18, _number(first + span * tick / TICKS), "middle"))
    parts.append(_text(LEFT + WIDTH / 2, top + HEIGHT + 34, chart.across, "middle"))
    for number, (name, line) in enumerate(chart.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(drawn) <= 40:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in drawn]
        y = top + 12 + 18 * number
        parts.append(f'<rect x="{LEFT + WIDTH + 14}" y="{y - 9}" width="12" height="10" fill="{colour}"/>')
        parts.append(_text(LEFT + WIDTH + 32, y, name, "start"))
    if chart.level is not None:
        y = place(first, chart.level)[1]
        dashes = f'stroke="{INK}" stroke-dasharray="6 4"'
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" {dashes}/>')
    return parts


def _round(value: float) -> float:
    """The next of 1, 2, 2.5, 5 or 10 times a power of ten."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 2, 2.5, 5, 10) if step * unit >= value * 0.999)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
    )
