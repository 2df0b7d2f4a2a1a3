"""Predictions and verdicts to figures: each question's mean over its runs, their mean, how sure it is. Pure.

The interval is Wilson's, of as many trials as there are questions: asking one of them again makes the set no
larger. "Between runs" is the standard deviation of the runs' own means.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.evaluation.report import TIMES, Cell, Table
from model.evaluation.scoring import interval
from model.evaluation.suites.item import Item, Suite
from model.evaluation.suites.published import figures

Record = Mapping[str, Any]
COLUMNS = ("score (95 %)", "between runs", "judged", "failed")


@dataclass(frozen=True)
class Marked:
    """One prediction. `score`: 0 to 1; None: nobody could tell, yet or at all."""

    item: Item
    run: int
    score: float | None
    judged: bool
    failed: bool


def marked(
    suite: Suite, items: Mapping[str, Item], predictions: Iterable[Record], verdicts: Mapping[Any, Record]
) -> list[Marked]:
    """A judge's verdict before a rule; what failed is wrong. Predictions of other questions are left out."""
    found = []
    for record in predictions:
        if (item := items.get(record["id"])) is None:
            continue
        told = verdicts.get((record["id"], record["run"]), {}).get("score")
        if record.get("error") is not None:
            found.append(Marked(item, record["run"], 0.0, False, True))
        elif told is not None:
            found.append(Marked(item, record["run"], told, True, False))
        else:
            found.append(Marked(item, record["run"], suite.score(item, record["reply"]), False, False))
    return found


def tables(suite: Suite, found: Sequence[Marked], predictions: Sequence[Record]) -> list[Table]:
    """Ours, and others' beside it."""
    rows = [(group, _row(of)) for group, of in _by(found, lambda m: m.item.group).items()]
    sections = _by(found, lambda m: m.item.section)
    for section, of in sections.items():
        if section:
            rows.append((f"{section}: {'mean of the sets' if suite.macro else 'all'}", _whole(suite, of)))
    if len(sections) == 1 or not suite.macro:
        rows.append((f"all of {suite.title}" if not suite.macro else suite.title, _whole(suite, found)))
    runs = len({m.run for m in found})
    ours = Table(f"{suite.title}, {runs} run{'s' * (runs > 1)}", COLUMNS, tuple(rows))
    others = tuple(
        (f.model, (Cell(text=f"{f.percent:g} %"), Cell(text=f.source))) for f in figures(suite.name)
    )
    told = [ours, _about(predictions)]
    return [t for t in (*told, Table(f"{suite.title}, published", ("score", "source"), others)) if t.rows]


def _by(found: Iterable[Marked], of: Callable[[Marked], str]) -> dict[str, list[Marked]]:
    parts: dict[str, list[Marked]] = defaultdict(list)
    for one in found:
        parts[of(one)].append(one)
    return dict(sorted(parts.items()))


def mean(found: Iterable[Marked]) -> tuple[float, int]:
    """Over questions, each the mean of its runs; and how many: those without a score are left out."""
    scores = defaultdict(list)
    for one in found:
        if one.score is not None:
            scores[one.item.name].append(one.score)
    if not scores:
        return 0.0, 0
    return statistics.fmean(map(statistics.fmean, scores.values())), len(scores)


def _whole(suite: Suite, found: Sequence[Marked]) -> tuple[Cell, ...]:
    if not suite.macro:
        return _row(found)
    groups = _by([one for one in found if one.score is not None], lambda m: m.item.group)
    means = [mean(of)[0] for of in groups.values()]
    text = f"{100 * statistics.fmean(means):.1f} % (of {len(means)} sets)" if means else "not scored"
    return (Cell(text=text), *_row(found)[1:])


def _row(found: Sequence[Marked]) -> tuple[Cell, ...]:
    share, n = mean(found)
    judged, failed = sum(one.judged for one in found), sum(one.failed for one in found)
    return (
        Cell(text=_share(share, n)),
        Cell(text=_spread(found)),
        Cell(text=f"{judged} of {len(found)}"),
        Cell(text=f"{failed} of {len(found)}"),
    )


def _share(share: float, n: int) -> str:
    if not n:
        return "not scored: it needs a judge"
    low, high = interval(share * n, n)
    return f"{100 * share:.1f} % ({100 * low:.1f}–{100 * high:.1f}, n={n})"


def _spread(found: Iterable[Marked]) -> str:
    runs: dict[int, list[float]] = defaultdict(list)
    for one in found:
        if one.score is not None:
            runs[one.run].append(one.score)
    if len(runs) < 2:
        return ""
    return f"±{100 * statistics.stdev(map(statistics.fmean, runs.values())):.1f}"


def _about(predictions: Sequence[Record]) -> Table:
    """Thoughts and waiting, where they are known."""
    rows = []
    tokens = [r["think_tokens"] for r in predictions if r.get("think_tokens") is not None]
    if tokens:
        rows.append(
            ("tokens of thoughts", (Cell(text=f"{statistics.median(tokens):.0f} (longest {max(tokens)})"),))
        )
    for name, title in TIMES.items():
        times = sorted(t for r in predictions if (t := (r.get("timings") or {}).get(name)) is not None)
        if times:
            late = times[int(0.95 * (len(times) - 1))]
            rows.append((f"{title}, ms", (Cell(text=f"{statistics.median(times):.0f} (95 %: {late:.0f})"),)))
    return Table("Along the way", ("median",), tuple(rows))
