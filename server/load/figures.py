"""Turns to figures: percentiles, in which what was lost counts as waiting for ever, and the knee.

Pure: turns in, numbers and tables out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from server.load.ledger import Said

PERCENTILES = (0.5, 0.95, 0.99)
MEASURES = {
    "first_thought": "first thought",
    "first_word": "first word",
    "first_audio": "first audio",
    "done": "reply complete",
    "stop": "barge-in stop",
    "behind": "said late",
}
FINE = 1.1  # a knee is known to a tenth of itself, or to one caller
TARDY = 0.01  # share of the generator's packets that may be late before its figures are its own


@dataclass(frozen=True)
class Cores:
    """Of processors that are busy, on average. None: not known."""

    server: float | None
    engine: float | None
    voice: float | None
    generator: float | None


@dataclass(frozen=True)
class Step:
    """What so many callers met. `tardy`: the share of the generator's packets that were late."""

    callers: int
    seconds: float
    said: Sequence[Said]  # turns that were measured
    cores: Cores
    tardy: float

    def values(self, measure: str) -> list[float]:
        """In ms; a turn without its reply waits for ever. Empty where nobody has any."""
        answered = [getattr(s, measure) for s in self.said if s.status in ("right", "wrong")]
        if measure == "stop":  # most turns are no barge-ins, and some come too late
            return [value for value in answered if value is not None]
        found = [value for value in answered if value is not None]
        return found + [math.inf] * self.missing if found else []

    def percentile(self, measure: str, share: float) -> float | None:
        return percentile(self.values(measure), share)

    @property
    def missing(self) -> int:
        """Turns lost or refused."""
        return sum(s.status in ("lost", "refused") for s in self.said)

    @property
    def wrong(self) -> int:
        return sum(s.status == "wrong" for s in self.said)

    @property
    def too_late(self) -> int:
        """Barge-ins into a reply that was over."""
        return sum(
            s.kind == "barge-in" and s.status in ("right", "wrong") and s.stop is None for s in self.said
        )

    def holds(self, bound: float) -> bool:
        """p95 of the first word is below `bound` ms. Raises ValueError where nothing was said."""
        wait = self.percentile("first_word", 0.95)
        if wait is None and not self.missing:
            raise ValueError("no turn was measured")
        return wait is not None and wait < bound


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of them does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


class Knee:
    """The most callers that hold: doubled until they do not, then halved between the two.

    It takes for granted that fewer callers hold where more do. `next` is how many to try, None: it is known.
    """

    def __init__(self, start: int = 1, most: int = 1024) -> None:
        if not 1 <= start <= most:
            raise ValueError(f"expected 1 to {most} callers to start with, got {start}")
        self._start, self._most = start, most
        self.good = 0
        self.bad: int | None = None

    def next(self) -> int | None:
        if self.bad is None:
            wanted = min(self._most, max(self._start, 2 * self.good))
            return None if wanted == self.good else wanted
        if self.bad - self.good <= 1 or self.bad <= FINE * self.good:
            return None
        return (self.good + self.bad) // 2

    def note(self, callers: int, holds: bool) -> None:
        if holds:
            self.good = max(self.good, callers)
        else:
            self.bad = callers if self.bad is None else min(self.bad, callers)


# --- text ---


def ms(value: float | None) -> str:
    if value is None:
        return "–"
    return "never" if math.isinf(value) else f"{value:.0f}"


def progress(step: Step) -> str:
    """One line, of what there is so far."""
    words = "/".join(ms(step.percentile("first_word", share)) for share in PERCENTILES)
    return (
        f"{step.callers} callers, {step.seconds:.0f} s: {len(step.said)} turns, first word {words} ms, "
        f"{step.missing} lost, {step.wrong} wrong"
    )


def table(steps: Sequence[Step]) -> str:
    """Markdown: a row for each number of callers. Times in ms, p50 / p95 / p99."""
    measures = [name for name in MEASURES if any(step.values(name) for step in steps)]
    heads = ["callers", "turns", *(f"{MEASURES[name]}, ms" for name in measures)]
    heads += ["lost", "wrong", "cut in too late", "cores: server", "engine", "voice", "generator"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for step in sorted(steps, key=lambda step: step.callers):
        cells = [str(step.callers), str(len(step.said))]
        cells += [" / ".join(ms(step.percentile(name, share)) for share in PERCENTILES) for name in measures]
        cells += [str(step.missing), str(step.wrong), str(step.too_late)]
        cells += ["–" if used is None else f"{used:.2f}" for used in vars(step.cores).values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def reasons(steps: Sequence[Step]) -> str:
    """Why turns were lost, the most frequent first."""
    counted = Counter(s.why for step in steps for s in step.said if s.status in ("lost", "refused"))
    return "; ".join(f"{why} × {count}" for why, count in counted.most_common(5))
