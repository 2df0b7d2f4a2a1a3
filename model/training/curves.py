"""The training's log as a picture: losses on a logarithmic scale, share of right tokens beside them.

Reads train.jsonl of the work folder, writes an SVG. Knows no weights.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from model.training.sources import work

WIDTH, HEIGHT, EDGE = 720, 320, 48
CURVES = {"text": "#1f6feb", "end": "#d29922", "ctc": "#8957e5"}
POINTS = 240  # at most, each the mean of its marks
LOWEST, HIGHEST = 0.003, 10.0
GRID = (0.01, 0.1, 1.0, 10.0)


def thinned(marks: Sequence[dict[str, float]], name: str) -> list[tuple[float, float]]:
    """Step and mean value where the curve is above nothing."""
    known = [(m["step"], m[name]) for m in marks if m[name] > 0]
    size = max(1, math.ceil(len(known) / POINTS))
    groups = [known[at : at + size] for at in range(0, len(known), size)]
    return [(sum(s for s, _ in g) / len(g), sum(v for _, v in g) / len(g)) for g in groups]


def _x(step: float, last: float) -> float:
    return EDGE + (WIDTH - 2 * EDGE) * step / last


def _y(value: float) -> float:
    share = math.log(min(max(value, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _text(x: float, y: float, text: str, colour: str = "#57606a", anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}" text-anchor="{anchor}">{text}</text>'


def draw(marks: Sequence[dict[str, float]]) -> str:
    """The picture of a log. Raises ValueError for an empty one."""
    if not marks:
        raise ValueError("expected at least one line of train.jsonl")
    last = max(m["step"] for m in marks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for value in GRID:
        parts.append(_line([(EDGE, _y(value)), (WIDTH - EDGE, _y(value))], "#d0d7de"))
        parts.append(_text(EDGE - 6, _y(value) + 4, f"{value:g}", anchor="end"))
    for i, (name, colour) in enumerate(CURVES.items()):
        parts.append(_line([(_x(s, last), _y(v)) for s, v in thinned(marks, name)], colour))
        parts.append(_text(EDGE + 150 * i, 24, f"{name}, nats", colour))
    right = [(_x(s, last), HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * v) for s, v in thinned(marks, "right")]
    parts.append(_line(right, "#1a7f37"))
    parts.append(_text(EDGE + 450, 24, "right tokens, 0 to 1", "#1a7f37"))
    parts.append(_text(WIDTH - EDGE, HEIGHT - 16, f"step {last:.0f}", anchor="end"))
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("to", type=Path)
    log = (work() / "train.jsonl").read_text().splitlines()
    parser.parse_args().to.write_text(draw([json.loads(line) for line in log]))
