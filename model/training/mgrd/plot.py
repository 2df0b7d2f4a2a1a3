"""Lines with their intervals as an SVG picture: shares over steps, over budgets, over votes. Pure text."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 48, 180, 34, 36
COLOURS = ("#57606a", "#1f6feb", "#1a7f37", "#d29922", "#8957e5", "#cf222e", "#0a7ea4", "#bf3989")
SHARES = ("right", "acoustic", "reward", "preferred")  # of the log; its losses are not drawn here


@dataclass(frozen=True)
class Point:
    """`x` counts from 0 in steps of one tick; `y` is a share of 1, `half` its interval to either side."""

    x: float
    y: float
    half: float = 0.0


def lines(title: str, series: Mapping[str, Sequence[Point]], ticks: Sequence[str]) -> str:
    """One picture; every series in a colour of its own, named at the right."""
    last = max(1, len(ticks) - 1)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / last

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value, 0.0), 1.0)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>',
    ]
    for share in (0, 25, 50, 75, 100):
        at = y(share / 100)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{share} %</text>')
    for number, tick in enumerate(ticks):
        parts.append(
            f'<text x="{x(number):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(tick)}</text>'
        )
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for p in points:
            if p.half:
                low, high = y(p.y - p.half), y(p.y + p.half)
                parts.append(f'<path d="M{x(p.x):.1f} {low:.1f}V{high:.1f}" stroke="{colour}"/>')
        place = f'x="{WIDTH - RIGHT + 10}" y="{TOP + 12 + 18 * number}"'
        parts.append(f'<text {place} fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def log(path: Path, most: int = 60) -> str:
    """The shares in a log of learning, stage after stage, each point the mean of some steps."""
    told = [json.loads(line) for line in path.read_text().splitlines()]
    size = max(1, -(-len(told) // most))
    series: dict[str, list[Point]] = defaultdict(list)
    for number, at in enumerate(range(0, len(told), size)):
        part = told[at : at + size]
        for name in SHARES:
            values = [line[name] for line in part if name in line]
            if values:
                series[name].append(Point(number, sum(values) / len(values)))
    begins = {line["stage"]: i // size for i, line in reversed(list(enumerate(told)))}
    ticks = [""] * max(1, -(-len(told) // size))
    for at in begins.values():
        ticks[at] = "|" if ticks[at] == "" else ticks[at]
    names = ", ".join(sorted(begins, key=lambda stage: begins[stage]))
    return lines(f"learning: {names}", series, ticks)
