"""Spoken questions over a bad line, by WebRTC and by WebSocket: what is heard, and how soon answered.

    python -m benchmarks.loss [--count 100] [--callers 4] [--only TEXT] [--out benchmarks/results]
    python -m benchmarks.loss --report        the table and the picture again, of what was measured

Needs root, or what `benchmarks.lossy` says. A server of its own, with nano and its voice, is at one end of a
line that is bad from the first packet on, both ways; questions of the built-in tests (`soundmind eval`) are
spoken at the other end, each in a conversation of its own, the same ones under every condition. The
conditions take turns, a few questions each, so that a busy machine is as hard on one as on another. What is
finished is written at once, and not asked again by a run that goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from httpx import AsyncClient

from benchmarks.callers import Asked, ask, webrtc, websocket
from benchmarks.lossy import HERE, Line, LineError, Weather
from model.evaluation.case import Case
from model.evaluation.report import Cell, Table, svg
from model.evaluation.scoring import interval
from server.evaluate import Wanted, cases
from tests.processes import soundmind

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURE = ROOT / "docs" / "loss.md", ROOT / "docs" / "loss.svg"
MARKED = re.compile(r"(<!-- table: begin -->\n).*?(<!-- table: end -->)", re.DOTALL)
FAMILIES = ("numbers", "sequences", "everyday")  # which nano knows well: it is the line that is measured
SPOKEN = 200  # of each family, out of which the questions are taken evenly
BLOCK = 25  # questions of a condition at a time
LIKELY = 5  # percent of loss, at least, that an encoder with FEC makes ready for


@dataclass(frozen=True)
class Condition:
    """`loss` and `overtaken` in percent of the packets, `jitter` in ms at most."""

    transport: str = "WebRTC"
    loss: int = 0
    fec: bool = True
    jitter: int = 0
    overtaken: int = 0

    def __str__(self) -> str:
        how = [self.transport]
        how += ["no FEC"] * (self.transport == "WebRTC" and not self.fec)
        how += [f"{self.jitter} ms jitter"] * bool(self.jitter)
        how += [f"{self.overtaken} % overtaken"] * bool(self.overtaken)
        return f"{', '.join(how)}: {self.loss} % lost"

    @property
    def weather(self) -> Weather:
        return Weather(self.loss / 100, self.jitter / 1000, self.overtaken / 100)


LOSSES = (0, 1, 5, 10, 20)
CONDITIONS = (
    *(Condition(loss=loss) for loss in LOSSES),
    *(Condition(loss=loss, fec=False) for loss in LOSSES),
    *(Condition("WebSocket", loss) for loss in LOSSES),
    *(Condition(loss=loss, jitter=jitter) for jitter in (50, 100) for loss in (0, 5)),
    *(Condition(loss=loss, overtaken=25) for loss in (0, 5)),
    *(Condition("WebSocket", loss, jitter=100) for loss in (0, 5)),
)


@dataclass
class Row:
    """What came of one condition so far."""

    passed: int = 0
    lost: int = 0
    asked: list[Asked] = field(default_factory=list)


def questions(count: int) -> list[Case]:
    """Raises ClipsError."""
    wanted = Wanted(suites=("families",), families=FAMILIES, conditions=("clean",), count=SPOKEN)
    found = [case for case in cases(wanted) if not case.before and not case.schemas and case.clip.voiced]
    return found[:: max(1, len(found) // count)][:count]


async def block(url: str, condition: Condition, asked: Sequence[Case], callers: int) -> list[Asked]:
    """So many at once, in the order given."""
    free = asyncio.Semaphore(callers)
    async with AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        fec = max(condition.loss, LIKELY) if condition.fec else 0
        over = partial(webrtc, http, fec) if condition.transport == "WebRTC" else partial(websocket, url)

        async def one(case: Case) -> Asked:
            async with free:
                return await ask(case, over)

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(case)) for case in asked]
    return [task.result() for task in running]


class Results:
    """The file that a run goes on from."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "loss.json"
        self.rows: dict[str, Row] = {}
        self._said: dict[str, list[str]] = {}
        self.machine = ""
        if self._path.exists():
            stored = json.loads(self._path.read_text())
            self._said, self.machine = stored["questions"], stored["machine"]
            for name, row in stored["rows"].items():
                asked = [Asked(**one) for one in row["asked"]]
                self.rows[name] = Row(row["passed"], row["lost"], asked)

    def left(self, condition: Condition, asked: Sequence[Case]) -> list[Case]:
        done = {one.name for one in self.row(condition).asked}
        return [case for case in asked if case.name not in done]

    def row(self, condition: Condition) -> Row:
        return self.rows.setdefault(str(condition), Row())

    def save(self, asked: Sequence[Case]) -> None:
        self._said |= {case.name: [case.clip.words, case.reply, case.clip.voice] for case in asked}
        self.machine = f"{platform.machine()}, {os.cpu_count()} cores"
        rows = {name: asdict(row) for name, row in self.rows.items()}
        told = {"machine": self.machine, "questions": self._said, "rows": rows}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        half = self._path.with_suffix(".tmp")
        half.write_text(re.sub(r'(\{"name"|"rows"|"WebRTC|"WebSocket)', r"\n\1", text) + "\n")
        half.rename(self._path)


def measure(
    line: Line,
    url: str,
    asked: Sequence[Case],
    conditions: Sequence[Condition],
    callers: int,
    results: Results,
) -> None:
    """What is left, a block of every condition in turn."""
    for at in range(0, len(asked), BLOCK):
        for condition in conditions:
            if not (now := results.left(condition, asked[at : at + BLOCK])):
                continue
            line.change(condition.weather, seed=at)
            found = asyncio.run(block(url, condition, now, callers))
            counts = line.change(Weather())
            row = results.row(condition)
            row.asked += found
            row.passed += counts.passed
            row.lost += counts.lost
            results.save(now)
            right = sum(one.right for one in row.asked)
            print(
                f"{condition}: {right} of {len(row.asked)} right, load {os.getloadavg()[0]:.1f}", flush=True
            )


def table(rows: dict[str, Row]) -> str:
    """`wait`: from the last sample said to the first sound of the reply, as the client hears it."""
    lines = [
        "| line | right | words wrong | wait: median (p95) | connected: median (p95) | unanswered "
        "| packets lost |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        asked = row.asked
        good, words = sum(a.right for a in asked), sum(a.words for a in asked)
        low, high = interval(good, len(asked))
        lines.append(
            f"| {name} | {good / len(asked):.0%} ({low:.0%}–{high:.0%}, n={len(asked)}) "
            f"| {sum(a.wrong_words for a in asked) / max(words, 1):.1%} "
            f"| {_seconds([a.wait for a in asked if a.wait is not None])} "
            f"| {_seconds([a.connected for a in asked if a.connected is not None])} "
            f"| {sum(a.error is not None for a in asked)} "
            f"| {row.lost / max(row.passed + row.lost, 1):.1%} |"
        )
    return "\n".join(lines) + "\n"


def _seconds(values: Sequence[float]) -> str:
    if not values:
        return "none"
    return f"{statistics.median(values):.2f} s ({float(np.percentile(values, 95)):.2f} s)"


def picture(rows: dict[str, Row]) -> str:
    """Right answers, loss by way."""

    def cell(condition: Condition) -> Cell:
        asked = rows.get(str(condition), Row()).asked
        return Cell(sum(a.right for a in asked), len(asked), "" if asked else "-")

    ways = {
        "WebRTC": Condition(),
        "WebRTC, no FEC": Condition(fec=False),
        "WebSocket": Condition("WebSocket"),
    }
    shares = tuple(
        (f"{loss} % lost", tuple(cell(replace(way, loss=loss)) for way in ways.values())) for loss in LOSSES
    )
    rough = {
        "WebRTC, 50 ms jitter": Condition(jitter=50),
        "WebRTC, 100 ms jitter": Condition(jitter=100),
        "WebRTC, 25 % overtaken": Condition(overtaken=25),
        "WebSocket, 100 ms jitter": Condition("WebSocket", jitter=100),
    }
    late = tuple(
        (
            name,
            tuple(cell(Condition(way.transport, loss, True, way.jitter, way.overtaken)) for loss in (0, 5)),
        )
        for name, way in rough.items()
    )
    return svg(
        [
            Table("Right answers, packets lost", tuple(ways), shares),
            Table("Right answers, packets late", ("0 % lost", "5 % lost"), late),
        ]
    )


def report(results: Results) -> str:
    """Into docs/: the table between its marks, and the picture."""
    known = {str(condition): results.row(condition) for condition in CONDITIONS}
    told = table({name: row for name, row in known.items() if row.asked})
    if PAGE.exists():
        text = PAGE.read_text()
        PAGE.write_text(MARKED.sub(lambda found: f"{found[1]}{told}{found[2]}", text))
    PICTURE.write_text(picture(known))
    return told


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.loss", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--count", type=int, default=100, help="questions under each condition (100)")
    parser.add_argument("--callers", type=int, default=4, help="at once (4)")
    parser.add_argument("--only", default="", help="conditions whose name has this (a regular expression)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    given = parser.parse_args()
    results = Results(given.out)
    if not given.report:
        conditions = [condition for condition in CONDITIONS if re.search(given.only, str(condition))]
        asked: list[Case] = questions(given.count)
        try:
            with Line() as line, soundmind("serve", "--host", HERE, "--port", "0") as server:
                url: Any = server.until(r"listening on (http://\S+)")[1]
                line.cross()
                measure(line, url, asked, conditions, given.callers, results)
        except LineError as error:
            print(error, file=sys.stderr)
            return 1
    print(report(results) if given.out == ROOT / "benchmarks" / "results" else table(results.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
